//! Card numbers planted wherever a client can write: none comes back, none stays.

use super::harness::{Server, wait_for};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The same number in the spellings that people use.
const PLANTED: [&str; 4] = [
    "4111111111111111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111_1111_1111_1111",
];

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn assert_clean(what: &str, text: &str) {
    let lines = text.split(['\n', '"', '{', '}', ',']);
    for line in lines {
        assert!(!digits(line).contains("4111111111111111"), "{what}: {line}");
    }
}

fn scan(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_clean("a path", &path.to_string_lossy());
        if path.is_dir() {
            scan(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert_clean(&path.to_string_lossy(), &String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_planted_card_number_never_comes_back_and_never_stays() {
    let logged = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&logged);
    let server = Server::with(|options| {
        options.log = Arc::new(move |line| log.lock().unwrap().push_str(line));
    });
    let key = server.client("shop", &["*"]);
    for card in PLANTED {
        let key_header = ("x-api-key", key.key.as_str());
        let mut answers = vec![
            server.get(&key, &format!("/status/{card}")),
            server.get(&key, &format!("/status/t?merchant_id={card}")),
            server.get(&key, &format!("/uploads/{card}")),
            server.get(&key, &format!("/uploads/{card}/rejects")),
            server.get(&key, &format!("/uploads?cursor={card}&limit={card}")),
            server.get(&key, &format!("/{card}")),
            server.send(
                "PUT",
                &format!("/uploads/{card}/content?expires={card}&signature={card}"),
                &[],
                card,
            ),
            server.send("GET", "/uploads", &[("x-api-key", card)], ""),
            server.send("DELETE", &format!("/status/{card}"), &[key_header], ""),
            server.send("POST", "/upload", &[key_header, ("host", card)], ""),
            server.post(&key, &[("idempotency-key", card)], ""),
        ];
        for body in [
            json!({ card: 1 }),
            json!({"columns": {card: "amount"}}),
            json!({"columns": {"a": card}}),
            json!({"defaults": {"currency": card, "time_zone": card, card: card}}),
            json!({"sha256": card, "strict": card, "content_length": card}),
            json!({"filename": format!("{card}.csv")}),
            json!(card),
        ] {
            answers.push(server.post(&key, &[], &body.to_string()));
        }
        let file = format!(
            "transaction_id,amount,merchant_id,card_number,{card}\n{card},1.00,m,{card},x\n\
             t1,{card},m,{card},x\nt2,2.00,{card},{card},x\nt3,3.00,m,{card},{card}\n"
        );
        let name = json!({"filename": format!("of {card}.csv")}).to_string();
        let (id, document) = server.upload(&key, &name, &file);
        assert_clean("the document", &document.to_string());
        for path in [
            format!("/uploads/{id}"),
            format!("/uploads/{id}/rejects"),
            "/uploads".to_owned(),
            "/status/t3".to_owned(),
            "/metrics".to_owned(),
        ] {
            answers.push(server.get(&key, &path));
        }
        for answer in answers {
            assert_clean("an answer", &answer.head);
            assert_clean("an answer", &answer.body);
        }
    }
    let spool = server.path().join("uploads");
    wait_for(|| (fs::read_dir(&spool).unwrap().count() == 0).then_some(()));
    let dir = Arc::clone(&server.dir);
    server.running.stop().unwrap();
    scan(dir.path());
    assert_clean("the log", &logged.lock().unwrap());
}
