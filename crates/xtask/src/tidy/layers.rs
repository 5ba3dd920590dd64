//! Which crate may depend on which: lambda -> aws -> pipeline -> domain and
//! cli -> server -> local -> pipeline -> domain; aws and local never see each other. What posts
//! webhooks is below both programs, and neither host's stores.

use serde_json::Value;

/// What each crate of the product may depend on, of the workspace. The command line composes: with
/// its features for the cloud it sees both hosts, and nothing else does.
const LAYERS: &[(&str, &[&str])] = &[
    ("txp-domain", &[]),
    ("txp-pipeline", &["txp-domain"]),
    ("txp-webhook", &["txp-pipeline"]),
    ("txp-local", &["txp-pipeline", "txp-domain"]),
    ("txp-aws", &["txp-pipeline", "txp-domain"]),
    ("txp-server", &["txp-local", "txp-pipeline", "txp-domain"]),
    (
        "txp-lambda",
        &["txp-aws", "txp-webhook", "txp-pipeline", "txp-domain"],
    ),
    (
        "txp-cli",
        &[
            "txp-webhook",
            "txp-server",
            "txp-local",
            "txp-aws",
            "txp-pipeline",
            "txp-domain",
        ],
    ),
    ("xtask", &[]),
];

/// Tests of the whole may see everything, and so may what tests stand on.
const UNBOUND: &[&str] = &["txp-tests", "txp-emulator"];

/// What the pure core may depend on, of the registry.
const DOMAIN_ALLOWED: &[&str] = &[
    "chrono",
    "chrono-tz",
    "md-5",
    "memchr",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "xxhash-rust",
    "zeroize",
];

pub(super) fn check(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for package in packages {
        let name = text(package, "name");
        let allowed = LAYERS
            .iter()
            .find(|(layer, _)| *layer == name)
            .map(|(_, allowed)| *allowed);
        if UNBOUND.contains(&name) {
            continue;
        }
        let Some(allowed) = allowed else {
            problems.push(format!(
                "{name} has no layer: add it to crates/xtask/src/tidy/layers.rs"
            ));
            continue;
        };
        let dependencies = package
            .get("dependencies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for dependency in dependencies.filter(|dependency| is_normal(dependency)) {
            let other = text(dependency, "name");
            let ours = LAYERS.iter().any(|(layer, _)| *layer == other) || UNBOUND.contains(&other);
            if ours && !allowed.contains(&other) {
                problems.push(format!(
                    "{name} must not depend on {other}: it is of another layer (design, crates)"
                ));
            }
            if !ours && name == "txp-domain" && !DOMAIN_ALLOWED.contains(&other) {
                problems.push(format!("txp-domain must not depend on {other}: the pure core's dependencies are an allow-list in crates/xtask/src/tidy/layers.rs"));
            }
        }
    }
    problems
}

/// Neither a dev- nor a build-dependency.
fn is_normal(dependency: &Value) -> bool {
    dependency.get("kind").is_none_or(Value::is_null)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(name: &str, dependency: &str, kind: Value) -> usize {
        check(&json!({"packages": [
            {"name": name, "dependencies": [{"name": dependency, "kind": kind}]},
        ]}))
        .len()
    }

    #[test]
    fn a_crate_sees_lower_layers_only() {
        for (name, dependency, expected) in [
            ("txp-pipeline", "txp-domain", 0),
            ("txp-domain", "txp-pipeline", 1),
            ("txp-local", "txp-aws", 1),
            ("txp-aws", "txp-local", 1),
            ("txp-domain", "sha2", 0),
            ("txp-domain", "tokio", 1),
            ("txp-local", "tokio", 0),
            ("xtask", "txp-domain", 1),
            ("txp-tests", "txp-local", 0),
            ("txp-new", "serde", 1),
        ] {
            assert_eq!(
                problems(name, dependency, Value::Null),
                expected,
                "{name} on {dependency}"
            );
        }
        assert_eq!(problems("txp-domain", "proptest", json!("dev")), 0);
    }
}
