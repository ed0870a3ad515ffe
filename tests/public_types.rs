//! Abilities of the public types: a type that lost one of these would break programs that use it.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hansel::dispatch::{
    Arrived, Chain, Crumb, Decision, Dispatch, Endpoint, Extension, Hooks, LimitExtremes, Map, MethodSet, Methods,
    Miss, Mount, Needs, Observer, Outcome, Pattern, Place, Registry, RouteLimits, Routes, State, Step, Trail,
    TrailCrumb, UrlError, Verbs, Walk, Why,
};
use hansel::test::{Client, Stream};
use hansel::{
    AccessLog, App, Application, Body, BodyError, BodyReader, BodyWriter, Counter, Drained, Error, Gauge, GaugeFn,
    Handle, HeaderError, Histogram, Html, InvalidField, InvalidRequest, Limits, Listener, Metrics, Origin, OwnedBody,
    Pairs, Refusal, Request, RequestId, Response, ResponseWriter, RunningHandler, Seen, Segments, Server, Slashes,
    Trust, test,
};

fn is_debug<T: Debug>() {}
fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_clone<T: Clone>() {}
fn is_eq<T: Eq>() {}
fn is_hash<T: Hash>() {}
fn is_display<T: Display>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

/// Each line is a promise about all types in it.
macro_rules! all {
    ($is:ident: $($type:ty),* $(,)?) => {
        $($is::<$type>();)*
    };
}

#[test]
fn types_keep_their_traits() {
    all!(is_debug:
        AccessLog, App, Arrived, Body, BodyError, BodyReader<'_>, BodyWriter<'_>, Chain, Client, Crumb<'_>,
        Decision<'_>, Drained, Endpoint<'_>, Error, Handle, Hooks, Html<&str>, InvalidRequest, Limits, Map, MethodSet,
        Methods<Server>, Miss, Mount<App>, Outcome, Pairs<'_>, Pattern, Place, Registry, Request, RequestId<'_>,
        Response, Routes, Segments<'_>, Server, Slashes, State<u8>, Step<'_>, Stream, Trail, TrailCrumb, Trust,
        UrlError, Verbs<'_, '_, u8>, Walk<'_>, Why<'_>, test::Response,
    );
    all!(is_send:
        AccessLog, App, Body, BodyError, Chain, Client, Crumb<'_>, Drained, Error, Handle, Hooks, InvalidRequest,
        Limits, Map, MethodSet, Methods<u8>, Miss, Mount<App>, Outcome, Pairs<'_>, Pattern, Place, Registry, Request,
        RequestId<'_>, Response, Routes, Segments<'_>, Server, Slashes, State<u8>, Stream, Trail, TrailCrumb, Trust,
        UrlError, Why<'_>, test::Response,
    );
    all!(is_sync:
        AccessLog, App, BodyError, Chain, Client, Crumb<'_>, Drained, Error, Handle, Hooks, InvalidRequest, Limits, Map,
        MethodSet, Methods<u8>, Miss, Mount<App>, Outcome, Pairs<'_>, Pattern, Place, Registry, RequestId<'_>, Routes,
        Segments<'_>, Server, Slashes, State<u8>, Stream, Trail, TrailCrumb, Trust, UrlError, Why<'_>, test::Response,
    );
    all!(is_clone:
        BodyError, Crumb<'_>, Decision<'_>, Drained, Endpoint<'_>, Html<&str>, InvalidRequest, Limits, Map, MethodSet,
        Methods<Server>, Miss, Outcome, Pairs<'_>, Pattern, Place, Registry, RequestId<'_>, Segments<'_>, Slashes,
        State<Server>, Step<'_>, Trail, TrailCrumb, Trust, UrlError, Why<'_>, test::Response,
    );
    all!(is_eq:
        BodyError, Drained, Html<&str>, InvalidRequest, Limits, MethodSet, Miss, Outcome, Place, RequestId<'_>,
        Slashes, Trail, TrailCrumb, Trust, UrlError, Why<'_>, test::Response,
    );
    all!(is_hash: BodyError, Drained, Html<&str>, InvalidRequest, Limits, RequestId<'_>, Slashes);
    all!(is_display: Drained, Limits, Map, MethodSet, RequestId<'_>, Server, Trail, TrailCrumb, Trust, Why<'_>);
    all!(is_error: BodyError, HeaderError, InvalidField, InvalidRequest, Miss, Refusal, UrlError);
    // These are used as trait objects.
    all!(is_debug: Option<fn(&dyn Application, &dyn Dispatch, &dyn Observer)>);
    all!(is_clone: HeaderError);
    all!(is_eq: HeaderError);
    all!(is_hash: HeaderError);
    all!(is_debug: Listener, Origin, OwnedBody, ResponseWriter, RunningHandler, Seen<'_>);
    all!(is_send: Listener, Origin, OwnedBody, ResponseWriter, RunningHandler);
    all!(is_sync: Listener, RunningHandler);
    all!(is_display: RunningHandler);
    all!(is_debug: Extension<u8>, Needs);
    all!(is_send: Extension<u8>, Needs);
    all!(is_sync: Extension<u8>, Needs);
    all!(is_clone: Extension<Server>, Needs);
    all!(is_debug: hansel::ClientDeadline, LimitExtremes, RouteLimits);
    all!(is_send: hansel::ClientDeadline, LimitExtremes, RouteLimits);
    all!(is_sync: hansel::ClientDeadline, LimitExtremes, RouteLimits);
    all!(is_clone: hansel::ClientDeadline, LimitExtremes, RouteLimits);
    all!(is_eq: hansel::ClientDeadline, LimitExtremes, RouteLimits);
    #[cfg(feature = "compression")]
    {
        all!(is_debug: hansel::Compression, hansel::Decompression);
        all!(is_send: hansel::Compression, hansel::Decompression);
        all!(is_clone: hansel::Compression, hansel::Decompression);
    }
    #[cfg(feature = "etags")]
    {
        all!(is_debug: hansel::ETags);
        all!(is_clone: hansel::ETags);
    }
    all!(is_debug: Option<fn(&dyn hansel::BodyFilter)>);
    all!(is_display: RouteLimits);
    all!(is_clone: Metrics, Origin);
    all!(is_debug: Counter<2>, Gauge<2>, GaugeFn, Histogram<2>, Metrics);
    all!(is_send: Counter<2>, Gauge<2>, GaugeFn, Histogram<2>, Metrics);
    all!(is_sync: Counter<2>, Gauge<2>, GaugeFn, Histogram<2>, Metrics);
    all!(is_display: Metrics);
}

#[cfg(feature = "tls")]
#[test]
fn certificates_keep_their_traits() {
    all!(is_debug: hansel::Tls);
    all!(is_send: hansel::Tls);
    all!(is_sync: hansel::Tls);
    all!(is_clone: hansel::Tls);
}

#[cfg(feature = "cookies")]
#[test]
fn cookies_keep_their_traits() {
    use hansel::cookies::{InvalidCookie, InvalidKeys};
    use hansel::{Cookie, Cookies, Keys, SameSite};
    all!(is_debug: Cookie, Cookies, InvalidCookie, InvalidKeys, Keys, SameSite);
    all!(is_send: Cookie, Cookies, InvalidCookie, InvalidKeys, Keys, SameSite);
    all!(is_sync: Cookie, Cookies, InvalidCookie, InvalidKeys, Keys, SameSite);
    all!(is_clone: Cookie, Cookies, InvalidCookie, InvalidKeys, Keys, SameSite);
    all!(is_eq: InvalidCookie, InvalidKeys, SameSite);
    all!(is_error: InvalidCookie, InvalidKeys);
}

#[cfg(feature = "multipart")]
#[test]
fn forms_with_files_keep_their_traits() {
    use hansel::multipart::{MultipartOptions, Part, UploadedFile};
    use hansel::{Multipart, MultipartForm};
    all!(is_debug: Multipart<&[u8]>, MultipartForm, MultipartOptions, Part<'_, &[u8]>, UploadedFile);
    all!(is_send: Multipart<&[u8]>, MultipartForm, MultipartOptions, Part<'_, &[u8]>, UploadedFile);
    all!(is_sync: Multipart<&[u8]>, MultipartForm, MultipartOptions, Part<'_, &[u8]>, UploadedFile);
    all!(is_clone: MultipartOptions);
    all!(is_eq: MultipartOptions);
}

#[cfg(feature = "sessions")]
#[test]
fn sessions_keep_their_traits() {
    use hansel::sessions::{Flash, MemoryStore, Store, StoreKey, Stored};
    use hansel::{Csrf, CsrfToken, Session, Sessions};
    all!(is_debug: Csrf, CsrfToken, Flash, MemoryStore, Session, Sessions, StoreKey, Stored);
    all!(is_send: Csrf, CsrfToken, Flash, MemoryStore, Session, Sessions, StoreKey, Stored, Box<dyn Store>);
    all!(is_sync: Csrf, CsrfToken, Flash, MemoryStore, Session, Sessions, StoreKey, Stored, Box<dyn Store>);
    all!(is_clone: Csrf, CsrfToken, Flash, Session, Sessions, StoreKey, Stored);
    all!(is_eq: Flash, StoreKey, Stored);
    all!(is_hash: StoreKey);
    all!(is_display: StoreKey);
}

#[cfg(feature = "tower")]
#[test]
fn tower_types_keep_their_traits() {
    use hansel::tower::{Body, Hosted, Original, Service};
    all!(is_debug: Body, Hosted<Service>, Original, Service);
    all!(is_send: Body, Hosted<Service>, Original, Service);
    all!(is_sync: Body, Hosted<Service>, Original, Service);
    all!(is_clone: Hosted<Service>, Original, Service);
}

#[test]
fn debug_shows_neither_secrets_nor_content() {
    let request = Request::post("/login?token=hunter2")
        .with_header("Authorization", "Bearer hunter2")
        .with_header("Cookie", "session=hunter2")
        .with_body("password=hunter2");
    let response = Response::new("hunter2").with_header("Set-Cookie", "session=hunter2");
    let shown = [
        format!("{request:?}"),
        format!("{:?}", request.body()),
        format!("{:?}", request.query_pairs()),
        format!("{:?}", Pairs::of("password=hunter2")),
        format!("{response:?}"),
        format!("{:?}", response.body()),
        format!("{:?}", Client::new(|| "hunter2").get("/")),
    ];
    for shown in &shown {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(
        shown[0].contains("\"Authorization\"") && shown[0].contains("16 bytes"),
        "{}",
        shown[0]
    );
    assert!(
        shown[4].contains("\"Set-Cookie\"") && shown[4].contains("7 bytes"),
        "{}",
        shown[4]
    );
}

#[test]
fn debug_of_long_things_is_short() {
    let megabyte = "x".repeat(1024 * 1024);
    let client = Client::new({
        let megabyte = megabyte.clone();
        move || megabyte.clone()
    });
    let shown = [
        format!("{:?}", Response::new(megabyte.clone())),
        format!("{:?}", Request::post("/").with_body(megabyte)),
        format!("{:?}", client.get("/")),
    ];
    for shown in shown {
        assert!(shown.len() < 1000, "{} bytes", shown.len());
    }
}

/// A walk is shown where it is, also by a hook in the middle of it.
#[test]
fn debug_works_in_the_middle_of_things() {
    let shows = |walk: &mut Walk<'_>, inner: &dyn Dispatch| {
        let shown = format!("{walk:?}");
        assert!(shown.contains("/a/b") && shown.contains("POST"), "{shown}");
        inner.dispatch(walk)
    };
    let client =
        Client::new(Hooks::on(Routes::new().post("/a/b", |request: &Request| format!("{request:?}"))).around(shows));
    assert_eq!(client.post("/a/b", "x").status(), 200);
    // A body that is read further up the stack.
    let request = Request::post("/").with_body("body");
    let reader = request.body();
    let shown = catch_unwind(AssertUnwindSafe(|| format!("{request:?} {reader:?}")));
    assert!(shown.is_ok());
}

#[test]
fn debug_of_what_dispatches_says_what_it_is() {
    struct Field;
    impl hansel::Resource for Field {
        fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
            assert_eq!(format!("{verbs:?}"), "Verbs { resource: \"Field\", .. }");
        }
    }
    let routes = Routes::new().get("/a", || "").name("a");
    for (shown, part) in [
        (format!("{routes:?}"), "Routes"),
        (format!("{:?}", Chain::new().then(|| "")), "links: 1"),
        (format!("{:?}", Hooks::on(|| "").before(|_: &Request| ())), "Hooks"),
        (format!("{:?}", Methods::new()), "Methods"),
        (format!("{:?}", Registry::new().add("x", || "")), "{\"x\"}"),
        (format!("{:?}", hansel::mount("/a/b", || "")), "path: \"/a/b\""),
        (format!("{:?}", App::new(Field)), "App"),
        (format!("{:?}", MethodSet::any()), "{any}"),
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[cfg(feature = "files")]
#[test]
fn types_of_files_keep_their_traits() {
    use hansel::files::{Cache, Embedded, Files, Source};
    all!(is_debug: Cache, Embedded, Files, Source);
    all!(is_send: Cache, Embedded, Files, Source);
    all!(is_sync: Cache, Embedded, Files, Source);
    all!(is_clone: Cache, Embedded);
    all!(is_eq: Cache);
    all!(is_hash: Cache);
}
