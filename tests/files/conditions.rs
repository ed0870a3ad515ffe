//! RFC 9110 §13: conditional requests. Each rule by itself is tested where it is written; this is the whole response.

use hansel::Request;
use hansel::files::{Cache, Files};

use super::tree::{LAST_MODIFIED, Tree, client, get};

#[test]
fn s15_4_5_a_304_has_what_caches_need_and_no_content() {
    let tree = Tree::new().with("a.css", "body {}");
    let client = client(Files::new(tree.root()).precompressed().cache(Cache::Immutable));
    let full = client.get("/a.css");
    let etag = full.header("ETag").unwrap();
    for fields in [[("If-None-Match", etag)], [("If-Modified-Since", LAST_MODIFIED)]] {
        let response = get(&client, "/a.css", &fields);
        assert_eq!((response.status().as_u16(), response.bytes()), (304, &b""[..]));
        for name in ["ETag", "Cache-Control", "Vary"] {
            assert_eq!(response.header(name), full.header(name), "{name}");
        }
        for name in ["Content-Type", "Last-Modified", "Accept-Ranges", "Content-Length"] {
            assert_eq!(response.header(name), None, "{name}");
        }
    }
    let head = Request::new(hansel::Method::HEAD, "/a.css").with_header("If-None-Match", etag);
    assert_eq!(client.send(head).status(), 304);
}

#[test]
fn s15_5_13_a_412_is_not_the_file() {
    let tree = Tree::new().with("a.css", "body {}");
    let client = client(Files::new(tree.root()));
    for fields in [
        [("If-Match", "\"other\"")],
        [("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")],
    ] {
        let response = get(&client, "/a.css", &fields);
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (412, "Precondition Failed")
        );
    }
}

#[test]
fn s13_2_1_conditions_do_not_matter_where_there_is_no_file() {
    let tree = Tree::new().with("d/index.html", "index");
    let client = client(Files::new(tree.root()));
    for (name, value) in [
        ("If-Match", "\"x\""),
        ("If-None-Match", "*"),
        ("If-Modified-Since", LAST_MODIFIED),
    ] {
        assert_eq!(get(&client, "/nothing", &[(name, value)]).status(), 404, "{name}");
        assert_eq!(get(&client, "/d", &[(name, value)]).status(), 308, "{name}");
    }
}

#[test]
fn s13_2_2_conditions_come_before_ranges() {
    let tree = Tree::new().with("a.txt", "0123456789");
    let client = client(Files::new(tree.root()));
    let etag = client.get("/a.txt").header("ETag").unwrap().to_owned();
    let status = |fields: &[(&str, &str)]| get(&client, "/a.txt", fields).status().as_u16();
    assert_eq!(status(&[("If-None-Match", &etag), ("Range", "bytes=99-")]), 304);
    assert_eq!(status(&[("If-Match", "\"x\""), ("Range", "bytes=0-1")]), 412);
    assert_eq!(status(&[("If-Match", &etag), ("Range", "bytes=0-1")]), 206);
    assert_eq!(status(&[("If-Match", &etag), ("Range", "bytes=99-")]), 416);
}
