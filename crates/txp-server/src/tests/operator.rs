//! The operator's routes: everything of everyone for the token, nothing without it, and the token
//! nowhere but in its file.

use super::harness::{Response, Server, file, wait_for};
use crate::operator::PATHS;
use std::fs;
use txp_local::control::OperatorToken;

fn token(server: &Server) -> String {
    let token = OperatorToken::open(server.path(), txp_local::now()).unwrap();
    token.show().unwrap()
}

fn ask(server: &Server, path: &str, token: &str) -> Response {
    server.send("GET", path, &[("x-operator-token", token)], "")
}

#[test]
fn the_operator_sees_every_client_s_uploads_and_every_merchant_s_transactions() {
    let server = Server::start();
    let (a, b) = (server.client("a", &["ma"]), server.client("b", &["mb"]));
    let (first, _) = server.upload(&a, "", &file(&[("t1", "1.00", "ma"), ("x", "x", "ma")]));
    let (second, _) = server.link(&b, "");
    let token = token(&server);
    let list = ask(&server, "/operator/uploads", &token).json();
    let found: Vec<_> = list["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| {
            (
                u["upload_id"].as_str().unwrap(),
                u["client_id"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [(second.as_str(), "b"), (first.as_str(), "a")]);
    let upload = ask(&server, &format!("/operator/uploads/{first}"), &token).json();
    assert_eq!(
        (&upload["state"], &upload["client_id"]),
        (&"completed".into(), &"a".into())
    );
    let rejects = ask(
        &server,
        &format!("/operator/uploads/{first}/rejects"),
        &token,
    );
    assert_eq!((rejects.status, rejects.body.lines().count()), (200, 2));
    let transaction = ask(&server, "/operator/transactions/t1", &token).json();
    assert_eq!(transaction["merchant_id"], "ma");
    server.running.stop().unwrap();
}

#[test]
fn a_key_is_no_token_and_a_token_no_key() {
    let server = Server::start();
    let key = server.client("a", &["*"]);
    let token = token(&server);
    for path in PATHS {
        let path = path
            .replace("{upload_id}", "x")
            .replace("{transaction_id}", "x");
        for (name, value) in [("x-api-key", &key.key), ("x-operator-token", &key.key)] {
            let answer = server.send("GET", &path, &[(name, value)], "");
            assert!(
                [403, 429].contains(&answer.status),
                "{path} {}",
                answer.status
            );
        }
        let twice = [("x-operator-token", token.as_str()); 2];
        let answer = server.send("GET", &path, &twice, "");
        assert!(
            [403, 429].contains(&answer.status),
            "{path} {}",
            answer.status
        );
    }
    let as_key = server.send("GET", "/uploads", &[("x-api-key", &token)], "");
    assert_eq!(as_key.problem(), "key_refused");
    server.running.stop().unwrap();
}

#[test]
fn alerts_are_paged_and_filtered_with_the_numbers_behind_them() {
    let server = Server::start();
    let key = server.client("a", &["*"]);
    let rows = [
        ("t1", "20000.00", "m"),
        ("t2", "30000.00", "m"),
        ("t3", "0.50", "n"),
    ];
    server.upload(&key, "", &file(&rows));
    let token = token(&server);
    let all = wait_for(|| {
        let page = ask(&server, "/operator/alerts", &token).json();
        (page["alerts"].as_array().unwrap().len() == 3).then_some(page)
    });
    assert!(all["next_before"].is_null());
    let first = ask(&server, "/operator/alerts?limit=2", &token).json();
    let next = first["next_before"].as_str().unwrap();
    let second = ask(
        &server,
        &format!("/operator/alerts?limit=2&before={next}"),
        &token,
    )
    .json();
    let ids = |page: &serde_json::Value| -> Vec<serde_json::Value> {
        let alerts = page["alerts"].as_array().unwrap();
        alerts.iter().map(|alert| alert["id"].clone()).collect()
    };
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&all));
    let low = ask(
        &server,
        "/operator/alerts?rule=amount_low&merchant_id=n",
        &token,
    )
    .json();
    assert_eq!(low["alerts"].as_array().unwrap().len(), 1);
    let hit = &low["alerts"][0]["hits"][0];
    assert_eq!(hit["numbers"]["threshold"]["amount"], "1.00");
    assert_eq!(low["alerts"][0]["card_last4"], "4242");
    for wrong in ["before=none", "limit=0", "merchant_id=-", "rule="] {
        let answer = ask(&server, &format!("/operator/alerts?{wrong}"), &token);
        assert_eq!(answer.problem(), "invalid_parameter", "{wrong}");
    }
    server.running.stop().unwrap();
}

#[test]
fn the_token_stands_in_its_file_only() {
    let server = Server::start();
    let token = token(&server);
    let overview = ask(&server, "/operator/overview", &token);
    assert_eq!(overview.json()["recording"], true);
    assert!(!overview.body.contains(&token));
    let dir = std::sync::Arc::clone(&server.dir);
    server.running.stop().unwrap();
    let mut folders = vec![dir.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("operator.token") {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(&token), "{}", path.display());
            }
        }
    }
}

#[test]
fn other_names_and_other_pages_get_nothing() {
    let server = Server::with(|options| options.public_url = Some("https://txp.example/".into()));
    let token = token(&server);
    let own = ("x-operator-token", token.as_str());
    let with = |headers: &[(&str, &str)]| {
        let mut text = "GET /operator/overview HTTP/1.0\r\n".to_owned();
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        super::harness::receive(server.raw(format!("{text}\r\n").as_bytes()))
    };
    for (headers, status) in [
        (&[own][..], 200),
        (&[own, ("host", "txp.example")], 200),
        (
            &[
                own,
                ("host", "txp.example"),
                ("origin", "https://txp.example"),
            ],
            200,
        ),
        (
            &[
                own,
                ("host", "127.0.0.1:1"),
                ("origin", "https://txp.example"),
            ],
            200,
        ),
        (&[own, ("host", "[::1]")], 200),
        (&[own, ("host", "other.example")], 403),
        (&[own, ("host", "8.8.8.8")], 403),
        (&[own, ("host", "localhost"), ("host", "localhost")], 403),
        (
            &[own, ("host", "localhost"), ("origin", "http://127.0.0.1")],
            403,
        ),
        (&[own, ("host", "localhost"), ("origin", "null")], 403),
        (
            &[own, ("host", "localhost"), ("sec-fetch-site", "cross-site")],
            403,
        ),
    ] {
        let answer = with(headers);
        assert_eq!(answer.status, status, "{:?}", &headers[1..]);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    }
    let shell = server.send("GET", "/", &[], "");
    let policy = shell.header("content-security-policy").unwrap();
    assert!(
        policy.contains("connect-src 'self' https://txp.example;"),
        "{policy}"
    );
    server.running.stop().unwrap();
}
