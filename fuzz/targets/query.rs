//! Query strings and paths: decoding fails only with an error, and loses nothing.
#![no_main]

use hansel::{Method, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &str| {
    let Ok(request) = Request::try_new(Method::GET, target) else {
        return;
    };
    if request.path().starts_with('/') && request.path() != "/" {
        let raw = request.path()[1..].split('/').count();
        assert_eq!(
            request.segments().count(),
            raw,
            "no segment is made or lost by decoding"
        );
    }
    assert!(request.segments().all(|segment| !segment.contains('\0')));
    let query = request.query().unwrap_or("");
    let pairs = request.query_pairs().count();
    assert!(pairs <= query.split('&').count());
    for (name, _) in request.query_pairs() {
        assert!(request.query_value(&name).is_some());
    }
});
