//! The topic: messages that are refused one by one, throttles, silence.

use crate::calls::{message, topic};
use crate::service::{Answer, How, Service};
use txp_pipeline::port::{AlertSink as _, ErrorKind};
use txp_pipeline::retry::RetryPolicy;

const RETRY: RetryPolicy = RetryPolicy {
    first_wait_millis: 1,
    max_wait_millis: 2,
    attempts_max: 3,
};

/// An answer to PublishBatch: the entries taken, and those refused with a code and whose fault it is.
fn answer(taken: &[u32], refused: &[(u32, &str, bool)]) -> Answer {
    let mut body = "<PublishBatchResponse><PublishBatchResult><Failed>".to_owned();
    for (id, code, is_ours) in refused {
        body.push_str(&format!(
            "<member><Id>{id}</Id><Code>{code}</Code><Message>no</Message><SenderFault>{is_ours}</SenderFault></member>"
        ));
    }
    body.push_str("</Failed><Successful>");
    for id in taken {
        body.push_str(&format!(
            "<member><Id>{id}</Id><MessageId>m</MessageId></member>"
        ));
    }
    body.push_str("</Successful></PublishBatchResult></PublishBatchResponse>");
    Answer::of(200, body).with("content-type", "text/xml")
}

/// How many messages each call had.
fn sent(service: &Service) -> Vec<usize> {
    let count = |request: crate::service::Request| request.body.matches(".Message=").count();
    service.requests().into_iter().map(count).collect()
}

async fn publish(service: &Service, messages: u64) -> Result<(), ErrorKind> {
    let mut topic = topic(&service.config(1).await, RETRY);
    let messages: Vec<_> = (1..=messages).map(message).collect();
    let sent = topic.send_all(&messages).await;
    sent.map_err(|error| error.kind)
}

#[tokio::test]
async fn the_messages_that_were_refused_are_sent_again_alone() {
    let service = Service::answering([
        answer(&[0, 2], &[(1, "InternalError", false)]),
        // What an answer says nothing of is not published either.
        answer(&[], &[]),
        answer(&[0], &[]),
    ]);
    assert_eq!(publish(&service, 3).await, Ok(()));
    assert_eq!(sent(&service), [3, 1, 1]);
}

#[tokio::test]
async fn a_message_that_is_never_taken_is_an_error_that_says_so() {
    for (code, is_ours, kind, calls) in [
        ("InvalidParameter", true, ErrorKind::Permanent, 1),
        ("AuthorizationError", true, ErrorKind::Denied, 1),
        ("Throttled", false, ErrorKind::Throttled, 3),
    ] {
        let service = Service::answering([
            answer(&[0], &[(1, code, is_ours)]),
            answer(&[], &[(0, code, is_ours)]),
        ]);
        assert_eq!(publish(&service, 2).await, Err(kind), "{code}");
        assert_eq!(sent(&service).len(), calls, "{code}");
    }
}

/// It may have been published: it is sent again, under the same id inside.
#[tokio::test]
async fn a_topic_that_does_not_answer_is_asked_again() {
    let service = Service::answering([Answer::that(How::Reset), answer(&[0], &[])]);
    assert_eq!(publish(&service, 1).await, Ok(()));
    let requests = service.requests();
    assert_eq!(requests.len(), 2);
    // The client writes a message's attributes in any order.
    let is_of_message = |part: &&str| part.contains(".Id=") || part.contains(".Message=");
    let [first, second] = [0, 1].map(|request: usize| {
        let parts = requests[request].body.split('&');
        parts.filter(is_of_message).collect::<Vec<_>>()
    });
    assert_eq!((first.len(), first), (2, second));
}
