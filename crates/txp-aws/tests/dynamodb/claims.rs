//! Claims: one reader at a time, one version ever, and no write of a reader that was given up.

use crate::uploads;
use txp_aws::dynamodb::uploads::{
    CHECKPOINT_STATE_BYTES_MAX, Checkpoint, Claim, Claimed, Due, DueKind, Fence,
};
use txp_emulator::Emulator;
use txp_pipeline::port::{ErrorKind, Written};
use txp_tests::conformance::alerts::at;
use txp_tests::conformance::upload_id;

const LEASE_SECONDS: u32 = 60;

fn checkpoint(record: u64) -> Checkpoint {
    Checkpoint {
        byte_offset: record * 100,
        record,
        state: vec![1, 2, 3],
    }
}

fn claimed(fence: u64, checkpoint: Option<Checkpoint>) -> Claim {
    Claim::Claimed(Claimed {
        fence: Fence(fence),
        checkpoint,
        tries_lost: 0,
        tries_failed: 0,
    })
}

#[tokio::test]
async fn a_lease_is_held_renewed_and_taken_over() {
    let emulator = Emulator::shared().await;
    let store = uploads(&emulator).await;
    let id = upload_id(1);
    let claim = async |version: &str, owner: &str, now: u64| {
        let claim = store.claim(id, version, owner, at(now), LEASE_SECONDS);
        claim.await.unwrap()
    };
    assert_eq!(claim("v1", "a", 0).await, claimed(1, None));
    assert_eq!(claim("v1", "b", 59).await, Claim::Held { until: at(60) });
    assert_eq!(claim("v2", "b", 59).await, Claim::OtherVersion);
    assert_eq!(claim("v2", "b", 999).await, Claim::OtherVersion);
    // The answer was lost, so the same owner asks again.
    let Claim::Claimed(again) = claim("v1", "a", 1).await else {
        panic!("it is its own")
    };
    assert_eq!((again.fence, again.checkpoint), (Fence(2), None));
    let renewed = store.renew(id, Fence(2), at(50), LEASE_SECONDS).await;
    assert_eq!(renewed.unwrap(), Written::Stored);
    assert_eq!(claim("v1", "b", 61).await, Claim::Held { until: at(110) });
    let seventh = checkpoint(7);
    let kept = store.checkpoint(id, Fence(2), &seventh, at(60), LEASE_SECONDS);
    assert_eq!(kept.await.unwrap(), Written::Stored);
    assert_eq!(store.due(DueKind::Lease, at(119), 9).await.unwrap(), []);
    let due = store.due(DueKind::Lease, at(120), 9).await.unwrap();
    assert_eq!(
        due,
        [Due {
            upload_id: id,
            at: at(120)
        }]
    );
    // Its lease ran out: another goes on from the checkpoint.
    assert_eq!(claim("v1", "b", 120).await, claimed(3, Some(checkpoint(7))));
    // The first comes back, and writes nothing.
    let late = checkpoint(9);
    let refused = [
        store.renew(id, Fence(2), at(121), LEASE_SECONDS).await,
        store
            .checkpoint(id, Fence(2), &late, at(121), LEASE_SECONDS)
            .await,
        store.release(id, Fence(2), at(121), 1).await,
        store.finish(id, Fence(2), at(121)).await,
    ];
    assert!(
        refused
            .iter()
            .all(|r| *r.as_ref().unwrap() == Written::Conflict)
    );
    let view = store.claim_of(id).await.unwrap().unwrap();
    assert_eq!(view.checkpoint, Some(checkpoint(7)));
    assert_eq!((view.fence, view.lease_until), (Fence(3), at(180)));
}

#[tokio::test]
async fn a_checkpoint_never_goes_back_and_a_finished_claim_is_final() {
    let emulator = Emulator::shared().await;
    let store = uploads(&emulator).await;
    let id = upload_id(2);
    let first = store.claim(id, "v1", "a", at(0), LEASE_SECONDS).await;
    assert_eq!(first.unwrap(), claimed(1, None));
    for (record, expected) in [
        (10, Written::Stored),
        (10, Written::Stored),
        (9, Written::Conflict),
        (11, Written::Stored),
    ] {
        let next = checkpoint(record);
        let kept = store.checkpoint(id, Fence(1), &next, at(1), LEASE_SECONDS);
        assert_eq!(kept.await.unwrap(), expected, "record {record}");
    }
    let long = Checkpoint {
        state: vec![0; CHECKPOINT_STATE_BYTES_MAX + 1],
        ..checkpoint(12)
    };
    let refused = store
        .checkpoint(id, Fence(1), &long, at(1), LEASE_SECONDS)
        .await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Permanent);
    // It goes on in another invocation, at once.
    assert_eq!(
        store.release(id, Fence(1), at(2), 0).await.unwrap(),
        Written::Stored
    );
    let next = store.claim(id, "v1", "b", at(2), LEASE_SECONDS).await;
    assert_eq!(next.unwrap(), claimed(2, Some(checkpoint(11))));
    for expected in [Written::Stored, Written::Conflict] {
        let finished = store.finish(id, Fence(2), at(3)).await;
        assert_eq!(finished.unwrap(), expected);
    }
    for (version, owner, expected) in [
        ("v1", "b", Claim::Done),
        ("v1", "c", Claim::Done),
        ("v2", "c", Claim::OtherVersion),
    ] {
        let claim = store
            .claim(id, version, owner, at(9_999), LEASE_SECONDS)
            .await;
        assert_eq!(claim.unwrap(), expected, "{owner} of {version}");
    }
    assert_eq!(store.due(DueKind::Lease, at(99_999), 9).await.unwrap(), []);
}

#[tokio::test]
async fn of_many_that_claim_at_once_one_gets_it() {
    let emulator = Emulator::shared().await;
    let store = uploads(&emulator).await;
    let owners: Vec<String> = (0..12).map(|n| format!("owner-{n}")).collect();
    let claims = owners
        .iter()
        .map(|owner| store.claim(upload_id(3), "v1", owner, at(0), LEASE_SECONDS));
    let claims = futures_util::future::join_all(claims).await;
    let is_claimed = |claim: &&Result<Claim, _>| matches!(claim, Ok(Claim::Claimed(_)));
    assert_eq!(claims.iter().filter(is_claimed).count(), 1);
    assert!(claims.iter().all(Result::is_ok));
}

/// A reader that dies without a word is counted; one that gets on, or gives the file back, is not.
#[tokio::test]
async fn tries_are_counted_that_end_without_a_word() {
    let emulator = Emulator::shared().await;
    let store = uploads(&emulator).await;
    let id = upload_id(3);
    let mut now = 0;
    let mut claim = async || {
        now += u64::from(LEASE_SECONDS);
        let owner = now.to_string();
        match store
            .claim(id, "v1", &owner, at(now), LEASE_SECONDS)
            .await
            .unwrap()
        {
            Claim::Claimed(claimed) => (claimed, now),
            other => panic!("{other:?}"),
        }
    };
    for lost in 0..3 {
        assert_eq!(claim().await.0.tries_lost, lost);
    }
    let (claimed, at_last) = claim().await;
    let first = checkpoint(1);
    let kept = store.checkpoint(id, claimed.fence, &first, at(at_last), LEASE_SECONDS);
    assert_eq!(kept.await.unwrap(), Written::Stored);
    for lost in 0..2 {
        assert_eq!(claim().await.0.tries_lost, lost, "since the checkpoint");
    }
    let (claimed, at_last) = claim().await;
    // Renewing alone is no progress.
    let renewed = store.renew(id, claimed.fence, at(at_last), LEASE_SECONDS);
    assert_eq!(renewed.await.unwrap(), Written::Stored);
    let (claimed, at_last) = claim().await;
    assert_eq!(claimed.tries_lost, 3);
    let released = store.release(id, claimed.fence, at(at_last), 4);
    assert_eq!(released.await.unwrap(), Written::Stored);
    let (claimed, at_last) = claim().await;
    assert_eq!(claimed.tries_lost, 0, "it was given back");
    // How many have failed is what the last one told, whoever dies in between.
    assert_eq!(claimed.tries_failed, 4);
    let (claimed, _) = claim().await;
    assert_eq!((claimed.tries_lost, claimed.tries_failed), (1, 4));
    let released = store.release(id, claimed.fence, at(at_last), 0);
    assert_eq!(released.await.unwrap(), Written::Stored);
    assert_eq!(claim().await.0.tries_failed, 0);
}
