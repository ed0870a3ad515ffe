//! RFC 9110 §12: which encoding of a file is sent.

use std::time::Duration;

use hansel::files::Files;

use super::tree::{MODIFIED, Tree, client, get, set_modified};

fn tree() -> Tree {
    Tree::new()
        .with("a.css", "the file itself")
        .with("a.css.br", "brotli")
        .with("a.css.zst", "zstd!")
        .with("a.css.gz", "gzip")
        .with("b.css", "no sibling")
}

#[test]
fn a_sibling_is_sent_with_its_coding_and_the_type_of_the_file() {
    let tree = tree();
    let client = client(Files::new(tree.root()).precompressed());
    let mut etags = Vec::new();
    for (accepted, coding, content) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("zstd, gzip", Some("zstd"), "zstd!"),
        ("gzip", Some("gzip"), "gzip"),
        ("deflate", None, "the file itself"),
        ("identity;q=0", None, "the file itself"),
    ] {
        let response = get(&client, "/a.css", &[("Accept-Encoding", accepted)]);
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (200, content),
            "{accepted}"
        );
        assert_eq!(response.header("Content-Encoding"), coding);
        assert_eq!(response.header("Content-Type"), Some("text/css; charset=utf-8"));
        assert_eq!(response.header("Vary"), Some("Accept-Encoding"));
        etags.push(response.header("ETag").unwrap().to_owned());
    }
    assert_eq!(etags[3], etags[4]);
    etags.dedup();
    assert_eq!(etags.len(), 4, "RFC 9110 §8.8.3.3: each encoding has a tag of its own");
    let plain = client.get("/a.css");
    assert_eq!(
        (plain.text(), plain.header("Vary")),
        ("the file itself", Some("Accept-Encoding"))
    );
    let other = get(&client, "/b.css", &[("Accept-Encoding", "gzip")]);
    assert_eq!((other.text(), other.header("Content-Encoding")), ("no sibling", None));
    assert_eq!(other.header("Vary"), Some("Accept-Encoding"));
}

#[test]
fn conditions_and_ranges_are_of_the_encoding_that_was_chosen() {
    let tree = tree();
    let client = client(Files::new(tree.root()).precompressed());
    let gzip = ("Accept-Encoding", "gzip");
    let etag = get(&client, "/a.css", &[gzip]).header("ETag").unwrap().to_owned();
    assert_eq!(get(&client, "/a.css", &[gzip, ("If-None-Match", &etag)]).status(), 304);
    assert_eq!(get(&client, "/a.css", &[("If-None-Match", &etag)]).status(), 200);
    let part = get(&client, "/a.css", &[gzip, ("Range", "bytes=1-2"), ("If-Range", &etag)]);
    assert_eq!((part.status().as_u16(), part.text()), (206, "zi"));
    assert_eq!(part.header("Content-Range"), Some("bytes 1-2/4"));
    assert_eq!(part.header("Content-Encoding"), Some("gzip"));
    let other = get(&client, "/a.css", &[("Range", "bytes=1-2"), ("If-Range", &etag)]);
    assert_eq!((other.status().as_u16(), other.text()), (200, "the file itself"));
}

#[test]
fn siblings_are_ordinary_files_unless_asked_for() {
    let tree = tree();
    let client = client(Files::new(tree.root()));
    let response = get(&client, "/a.css", &[("Accept-Encoding", "gzip, br")]);
    assert_eq!((response.text(), response.header("Vary")), ("the file itself", None));
    let response = get(&client, "/a.css.gz", &[("Accept-Encoding", "gzip")]);
    assert_eq!((response.text(), response.header("Content-Encoding")), ("gzip", None));
    assert_eq!(response.header("Content-Type"), Some("application/gzip"));
}

#[test]
fn a_sibling_of_an_earlier_version_or_without_its_file_is_not_sent() {
    let tree = tree()
        .with("only.css.gz", "gzip")
        .with("d.css", "file")
        .with("d.css.gz/x", "");
    set_modified(&tree.path("a.css"), MODIFIED + Duration::from_secs(3));
    let client = client(Files::new(tree.root()).precompressed());
    let all = [("Accept-Encoding", "gzip, br, zstd")];
    assert_eq!(get(&client, "/a.css", &all).text(), "the file itself");
    set_modified(&tree.path("a.css"), MODIFIED + Duration::from_secs(1));
    assert_eq!(get(&client, "/a.css", &all).text(), "brotli", "times may be rounded");
    assert_eq!(get(&client, "/only.css", &all).status(), 404);
    assert_eq!(get(&client, "/d.css", &all).text(), "file", "a directory is no sibling");
}

#[test]
fn a_single_file_and_an_index_have_siblings() {
    let tree = Tree::new().with("index.html", "index").with("index.html.gz", "gzip");
    let gzip = [("Accept-Encoding", "gzip")];
    assert_eq!(
        get(&client(Files::new(tree.root()).precompressed()), "/", &gzip).text(),
        "gzip"
    );
    let file = Files::file(tree.path("index.html")).precompressed();
    let response = get(&client(file), "/", &gzip);
    assert_eq!(
        (response.text(), response.header("Content-Type")),
        ("gzip", Some("text/html; charset=utf-8"))
    );
}
