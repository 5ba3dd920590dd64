//! Text that belongs to one machine or to no one's eyes: home folders, hosts of registries, keys.

use super::tree::Tree;

/// In two parts, or this file would be its own finding.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/ho", "me/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("/wo", "rk/", "a path of one machine"),
    ("/tmp/", "wt/", "a path of one machine"),
    ("crates", ".io", "a registry's host"),
    ("pypi", ".org", "a registry's host"),
    ("files.python", "hosted.org", "a registry's host"),
    ("registry.npm", "js.org", "a registry's host"),
    ("PRIVATE", " KEY-----", "a private key"),
];

/// Written by cargo, which names the registry.
const EXEMPT: &str = "Cargo.lock";

pub(super) fn forbidden(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| *path != EXEMPT) {
        for (head, tail, what) in FORBIDDEN {
            let wanted = format!("{head}{tail}");
            for (index, line) in text.lines().enumerate() {
                if line.contains(&wanted) {
                    problems.push(format!(
                        "{path}:{}: `{wanted}` is {what}: take it out",
                        index + 1
                    ));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_s_path_and_a_key_are_found() {
        let path = format!("see {}{}me\n", "/ho", "me/");
        let key = format!("-----BEGIN {}{}\n", "PRIVATE", " KEY-----");
        let tree = Tree::of(&[
            ("a.md", &path),
            ("b.pem", &key),
            ("Cargo.lock", &path),
            ("c.md", "fine"),
        ]);
        assert_eq!(forbidden(&tree).len(), 2);
    }
}
