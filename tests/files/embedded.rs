//! Files in the program.

use hansel::files::{Embedded, Files};

use super::tree::{client, get};

/// This directory.
fn sources() -> Embedded {
    hansel::embed!("tests/files")
}

const THIS: &str = include_str!("embedded.rs");

#[test]
fn a_file_in_the_program_is_sent_like_one_on_a_disk() {
    let client = client(Files::new(sources().always()));
    let response = client.get("/embedded.rs");
    assert_eq!((response.status().as_u16(), response.text()), (200, THIS));
    assert_eq!(response.header("Last-Modified"), None);
    let etag = response.header("ETag").unwrap().to_owned();
    assert_ne!(
        client.get("/tree.rs").header("ETag"),
        Some(&*etag),
        "it is of the content"
    );
    assert_eq!(get(&client, "/embedded.rs", &[("If-None-Match", &etag)]).status(), 304);
    let part = get(&client, "/embedded.rs", &[("Range", "bytes=4-8"), ("If-Range", &etag)]);
    assert_eq!((part.status().as_u16(), part.text()), (206, &THIS[4..9]));
    let several = get(&client, "/embedded.rs", &[("Range", "bytes=0-4,-5")]);
    assert_eq!(several.status(), 206);
    assert!(
        several
            .text()
            .contains(&format!("bytes 0-4/{}\r\n\r\n//! F\r\n", THIS.len())),
        "{}",
        several.text()
    );
    assert_eq!(
        client.call("HEAD", "/embedded.rs").header("Content-Length"),
        Some(&*THIS.len().to_string())
    );
    assert_eq!(client.call("POST", "/embedded.rs").status(), 405);
}

#[test]
fn nothing_else_is_there() {
    let client = client(Files::new(sources().always()));
    for target in [
        "/",
        "/nothing",
        "/../public_types.rs",
        "/%2e%2e/public_types.rs",
        "//embedded.rs",
        "/embedded.rs/",
        "/embedded",
    ] {
        assert_eq!(client.get(target).status(), 404, "{target}");
    }
}

#[test]
fn directories_in_the_program_have_an_index_a_slash_and_a_listing() {
    let client = client(Files::new(sources().always()).index("inside.txt").listing());
    assert_eq!(client.get("/links/a/").text(), "inside\n");
    assert_eq!(client.get("/links/a").header("Location"), Some("./a/"));
    let page = client.get("/");
    assert!(
        page.text().contains("<a href=\"./links/\">links/</a>"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains("<a href=\"./embedded.rs\">embedded.rs</a>"),
        "{}",
        page.text()
    );
}

#[test]
fn while_a_program_is_developed_the_directory_is_read() {
    let response = client(Files::new(sources())).get("/embedded.rs");
    assert_eq!(response.text(), THIS);
    assert_eq!(response.header("Last-Modified").is_some(), cfg!(debug_assertions));
}

#[test]
fn the_content_is_there_for_the_program_itself() {
    assert_eq!(sources().content("embedded.rs"), Some(THIS.as_bytes()));
    assert_eq!(sources().content("nothing"), None);
    assert!(format!("{:?}", sources()).contains("tests/files"));
}

/// The directory has a link that leads to a file inside, one that leads outside, one that leads nowhere, and a hidden file.
/// Links in a circle are tested where files are collected, in `macros/`: cargo would warn of them here.
#[cfg(unix)]
#[test]
fn links_lead_to_what_is_inside() {
    let files = hansel::embed!("tests/files/links");
    let content = |path| {
        files
            .content(path)
            .map(|content| String::from_utf8_lossy(content).into_owned())
    };
    assert_eq!(content("a/inside.txt").as_deref(), Some("inside\n"));
    assert_eq!(content("b/inside.txt").as_deref(), Some("inside\n"));
    for nothing in ["b/outside.rs", ".hidden", "nowhere"] {
        assert_eq!(content(nothing), None, "{nothing}");
    }
}
