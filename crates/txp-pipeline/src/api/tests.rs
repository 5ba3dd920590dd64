//! Bodies, parameters and tenants by table; the description by what a client needs of it.

use super::*;
use crate::document::ProblemKind;
use txp_domain::event::{Merchants, RecordSpans, Redrive, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;
use txp_domain::transaction::Transaction;

fn refusal(body: &str) -> (String, u16, Vec<String>) {
    let problem = UploadRequest::read(body.as_bytes()).unwrap_err();
    let kind = problem.kind.rsplit(':').next().unwrap().to_owned();
    let pointers = problem.errors.iter().map(|e| e.pointer.clone()).collect();
    (kind, problem.status, pointers)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn bodies_are_refused_with_the_place_of_every_fault() {
    let long = format!(r#"{{"columns":{{"{}":"amount"}}}}"#, "x".repeat(65));
    for (body, kind, status, pointers) in [
        ("{", "bad_json", 400, &[][..]),
        ("\u{feff}{}", "bad_json", 400, &[]),
        ("null", "invalid_body", 422, &[""]),
        ("[]", "invalid_body", 422, &[""]),
        (
            r#"{"other":1,"strict":1}"#,
            "invalid_body",
            422,
            &["/other", "/strict"],
        ),
        (r#"{"a/b~":1}"#, "invalid_body", 422, &["/a~1b~0"]),
        (r#"{"filename":""}"#, "invalid_body", 422, &["/filename"]),
        (r#"{"filename":null}"#, "invalid_body", 422, &["/filename"]),
        (
            r#"{"content_length":-1}"#,
            "invalid_body",
            422,
            &["/content_length"],
        ),
        (
            r#"{"content_length":1.5}"#,
            "invalid_body",
            422,
            &["/content_length"],
        ),
        (
            r#"{"content_length":5368709121}"#,
            "invalid_body",
            422,
            &["/content_length"],
        ),
        (r#"{"sha256":"ab"}"#, "invalid_body", 422, &["/sha256"]),
        (
            r#"{"defaults":{"currency":"usd","x":1}}"#,
            "invalid_body",
            422,
            &["/defaults/currency", "/defaults/x"],
        ),
        (
            r#"{"defaults":{"time_zone":"Mars/One"}}"#,
            "invalid_body",
            422,
            &["/defaults/time_zone"],
        ),
        (
            r#"{"columns":{"a":"price"}}"#,
            "invalid_body",
            422,
            &["/columns/a"],
        ),
        (
            r#"{"columns":{"":"amount"}}"#,
            "invalid_body",
            422,
            &["/columns/"],
        ),
        (
            &long,
            "invalid_body",
            422,
            &[&format!("/columns/{}", "x".repeat(65))],
        ),
        (
            r#"{"columns":{"a":"amount","b":"amount"}}"#,
            "invalid_body",
            422,
            &["/columns/b"],
        ),
        (
            r#"{"columns":{"a":"amount","A":"mcc"}}"#,
            "invalid_body",
            422,
            &["/columns/A"],
        ),
        (
            r#"{"columns":{"a":"amount","a":"mcc"}}"#,
            "invalid_body",
            422,
            &["/columns/a"],
        ),
        (
            r#"{"strict":true,"strict":false,"defaults":{"currency":"EUR","currency":"USD"}}"#,
            "invalid_body",
            422,
            &["/strict", "/defaults/currency"],
        ),
    ] {
        let (found_kind, found_status, found) = refusal(body);
        assert_eq!(
            (found_kind.as_str(), found_status),
            (kind, status),
            "{body}"
        );
        assert_eq!(found, pointers, "{body}");
    }
}

#[test]
fn a_card_number_in_a_body_is_never_echoed() {
    for body in [
        r#"{"4111111111111111":1}"#,
        r#"{"columns":{"4111-1111-1111-1111":"amount"}}"#,
        r#"{"columns":{"5105*5034*6580*7473":"amount"}}"#,
        r#"{"columns":{"5105,5034,6580,7473":"amount"}}"#,
        r#"{"5105\u03015034\u03016580\u03017473":1}"#,
        r#"{"defaults":{"5105+5034+6580+7473":1}}"#,
        r#"{"columns":{"a":"4111111111111111"}}"#,
        r#"{"sha256":"4111111111111111"}"#,
        "4111111111111111",
        "{\"a\": 4111111111111111",
    ] {
        let problem = UploadRequest::read(body.as_bytes()).unwrap_err();
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("1111") && !text.contains("5034"), "{text}");
    }
    let request = UploadRequest::read(br#"{"filename":"4111111111111111.csv"}"#).unwrap();
    assert_eq!(
        request.filename.as_deref(),
        Some("[redacted 16 digits].csv")
    );
}

#[test]
fn a_full_body_is_read() {
    let body = r#"{"filename":"f.csv","content_length":5.0,"strict":true,"dry_run":true,
        "sha256":"AB00000000000000000000000000000000000000000000000000000000000000",
        "defaults":{"currency":"EUR","time_zone":"+02:00"},"columns":{"Betrag":"amount"}}"#;
    let request = UploadRequest::read(body.as_bytes()).unwrap();
    assert_eq!(request.content_length, Some(5));
    assert!(
        request
            .sha256
            .as_ref()
            .is_some_and(|sha| sha.starts_with("ab"))
    );
    assert!(request.strict && request.dry_run);
    assert_eq!(request.columns["Betrag"], "amount");
    assert_eq!(UploadRequest::read(b"").unwrap(), UploadRequest::default());
    let same = UploadRequest::read(b"{ }").unwrap();
    assert_eq!(same.digest(), UploadRequest::default().digest());
    assert_ne!(request.digest(), same.digest());
}

/// Rows that are read again on the terms of the first time are told to the history as they were
/// planned, whenever their file comes.
#[test]
fn a_redrive_is_agreed_on_as_it_was_planned() {
    let first = Terms {
        columns: [("Amt".to_owned(), "amount".to_owned())].into(),
        file_name: Some("sales.csv".to_owned()),
        ..Terms::plain("c", Merchants::Only(vec!["m".to_owned()]))
    };
    let (first_id, new_id) = (UploadId::new(1, [1; 6]), UploadId::new(9_000_000, [2; 6]));
    let (arrived_at, later) = (Timestamp(5_000), Timestamp(99_000));
    let mut planned = UploadReceived {
        upload_id: new_id,
        ..first.received(first_id, arrived_at, 300)
    };
    assert_eq!(Terms::of_redrive(&planned, "a".repeat(64)), None);
    planned.options.redrive = Some(Redrive {
        upload_id: first_id,
        records: RecordSpans::of([3, 4, 9]),
    });
    let terms = Terms::of_redrive(&planned, "a".repeat(64)).unwrap();
    let kept = serde_json::to_string(&terms).unwrap();
    let terms: Terms = serde_json::from_str(&kept).unwrap();
    assert_eq!(terms.content_length, Some(300));
    assert_eq!(terms.received(new_id, later, 300), planned);
    // Terms that were kept before there were redrives.
    let before = serde_json::to_string(&first).unwrap();
    assert!(!before.contains("redrive"), "{before}");
    let received = first.received(first_id, later, 300);
    assert_eq!(
        (received.uploaded_at, received.options.redrive),
        (later, None)
    );
}

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn pages_have_a_limit() {
    let id = "bcdfghjklmnpqrstbcdfghjk";
    let page = Page::read(&query(&[("limit", "100"), ("cursor", id)])).unwrap();
    assert_eq!(page.limit, 100);
    assert_eq!(page.before.unwrap().as_str(), id);
    assert_eq!(Page::read(&[]).unwrap().limit, Page::LIMIT_DEFAULT);
    for pairs in [
        &[("limit", "0")][..],
        &[("limit", "101")],
        &[("limit", "+1")],
        &[("limit", "")],
        &[("limit", "1"), ("limit", "2")],
        &[("cursor", "x")],
    ] {
        let problem = Page::read(&query(pairs)).unwrap_err();
        assert_eq!(
            problem.status,
            ProblemKind::InvalidParameter.status(),
            "{pairs:?}"
        );
    }
}

#[test]
fn another_s_transaction_does_not_exist() {
    let of = |merchants: &[&str]| -> Vec<Transaction> {
        merchants
            .iter()
            .map(|m| Transaction::empty(m, "t"))
            .collect()
    };
    let only = |names: &[&str]| Merchants::Only(names.iter().map(|n| (*n).to_owned()).collect());
    for (stored, merchants, wanted, expected) in [
        (&["a", "b"][..], only(&["a"]), None, Ok("a")),
        (&["a", "b"], only(&["c"]), None, Err((404, 0))),
        (&["a", "b"], only(&["a"]), Some("b"), Err((404, 0))),
        (&["a", "b"], Merchants::All, None, Err((409, 2))),
        (&["a", "b", "c"], only(&["c", "b"]), None, Err((409, 2))),
        (&["a", "b"], Merchants::All, Some("b"), Ok("b")),
        (&[], Merchants::All, None, Err((404, 0))),
    ] {
        let found = visible_transaction(of(stored), &merchants, wanted);
        let found = found
            .as_ref()
            .map(|transaction| &*transaction.key.merchant_id)
            .map_err(|problem| (problem.status, problem.choices.len()));
        assert_eq!(found, expected, "{stored:?} {merchants:?} {wanted:?}");
    }
}

#[test]
fn the_description_has_every_route_and_no_dangling_reference() {
    let described = openapi();
    for route in Route::ALL {
        let method = route.method().to_ascii_lowercase();
        let operation = &described["paths"][route.path()][&method];
        assert!(operation["responses"].is_object(), "{route:?}");
        let has_key = !operation["security"].as_array().unwrap().is_empty();
        assert_eq!(has_key, route.needs_key(), "{route:?}");
        assert_eq!(
            operation["responses"].get("403").is_some(),
            has_key
                || matches!(
                    route,
                    // A link that does not hold; a host that is not ours.
                    Route::PutContent | Route::GetMetrics | Route::GetShell
                ),
            "{route:?}"
        );
    }
    let text = described.to_string();
    let known = described["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let path = reference.split('"').next().unwrap();
        let name = path.strip_prefix("#/components/schemas/").unwrap();
        assert!(known.contains_key(name), "{name}");
    }
}

#[test]
fn a_path_has_the_routes_of_its_form() {
    for (path, expected) in [
        ("/", &[(Route::GetShell, None)][..]),
        ("/upload", &[(Route::PostUpload, None)]),
        ("/status/a%2Fb", &[(Route::GetStatus, Some("a%2Fb"))]),
        ("/uploads/..", &[(Route::GetUpload, Some(".."))]),
        ("/uploads/x/rejects", &[(Route::GetRejects, Some("x"))]),
        ("/uploads/", &[]),
        ("/uploads//rejects", &[]),
        ("//uploads", &[]),
        ("uploads", &[]),
        ("", &[]),
        ("/status/a/b", &[]),
    ] {
        assert_eq!(Route::at(path).collect::<Vec<_>>(), expected, "{path}");
    }
    for route in Route::ALL {
        assert!(Route::at(route.path()).any(|(found, _)| found == route));
    }
    assert_eq!(Route::allowed([Route::PostUpload]), "POST, OPTIONS");
}

#[test]
fn an_idempotency_key_is_its_clients() {
    let request = UploadRequest::default();
    let read = |values: &[&'static str], client: &str| {
        let values = values.iter().map(|value| value.as_bytes());
        Idempotency::read(values, client, &request)
    };
    assert_eq!(read(&[], "a").unwrap(), None);
    let key = |client| read(&["k"], client).unwrap().unwrap();
    assert_eq!(key("a"), key("a"));
    assert_ne!(key("a").key, key("b").key);
    assert_eq!(key("a").body, key("b").body);
    let long = "x".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1).leak();
    for refused in [&[""][..], &["a b"], &["\u{e9}"], &["a", "a"], &[long]] {
        let problem = read(refused, "a").unwrap_err();
        assert_eq!(problem.status, 400, "{refused:?}");
    }
}
