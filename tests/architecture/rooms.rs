//! Which room may import from which. Arrows go down only, and each of them is listed here.

use std::collections::BTreeSet;
use std::path::Path;

use super::imports::Imports;

/// The rooms of a floor plan, from the top: each with the rooms that it may import from, which all stand below it.
type Rooms = &'static [(&'static str, &'static [&'static str])];

/// The crate.
const CRATE: Rooms = &[
    // Text only.
    ("guide.rs", &[]),
    // Parts, which use what users can use: see `parts.rs`.
    ("auth", &["dispatch", "response", "request", "lib.rs"]),
    ("compression", &["seen.rs", "dispatch", "response", "request", "lib.rs"]),
    ("cors.rs", &["seen.rs", "dispatch", "response", "request", "lib.rs"]),
    ("etags.rs", &["seen.rs", "dispatch", "response", "request", "lib.rs"]),
    ("multipart", &["dispatch", "response", "request", "lib.rs"]),
    ("rate_limit", &["dispatch", "response", "request", "lib.rs"]),
    (
        "security_headers.rs",
        &["seen.rs", "dispatch", "response", "request", "lib.rs"],
    ),
    ("sessions", &["cookies", "dispatch", "response", "request", "lib.rs"]),
    ("cookies", &["dispatch", "response", "request", "lib.rs"]),
    (
        "websocket",
        &[
            "dispatch",
            "response",
            "socket",
            "request",
            "pace.rs",
            "sealed.rs",
            "lib.rs",
        ],
    ),
    (
        "test",
        &[
            "socket",
            "deadline.rs",
            "scheduling.rs",
            "panics.rs",
            "seen.rs",
            "lock.rs",
            "server",
            "application.rs",
            "dispatch",
            "exchange",
            "response",
            "request",
            "panics.rs",
            "pipe.rs",
            "date.rs",
            "topic",
        ],
    ),
    (
        "tower",
        &[
            "socket",
            "topic",
            "scheduling.rs",
            "seen.rs",
            "lock.rs",
            "server",
            "mounted.rs",
            "application.rs",
            "dispatch",
            "sealed.rs",
            "exchange",
            "response",
            "request",
            "threads.rs",
            "report.rs",
            "panics.rs",
            "date.rs",
            "deadline.rs",
            "pipe.rs",
            "pace.rs",
        ],
    ),
    (
        "server",
        &[
            "socket",
            "topic",
            "scheduling.rs",
            "seconds.rs",
            "seen.rs",
            "lock.rs",
            "application.rs",
            "exchange",
            "metrics",
            "operations",
            "response",
            "request",
            "threads.rs",
            "report.rs",
            "panics.rs",
            "date.rs",
            "deadline.rs",
            "pace.rs",
            "start_error.rs",
        ],
    ),
    ("files", &["dispatch", "response", "request", "pace.rs"]),
    (
        "app",
        &[
            "scheduling.rs",
            "panics.rs",
            "report.rs",
            "seen.rs",
            "page",
            "root.rs",
            "application.rs",
            "dispatch",
            "response",
            "request",
            "sealed.rs",
            "lib.rs",
        ],
    ),
    (
        "mounted.rs",
        &[
            "seen.rs",
            "application.rs",
            "dispatch",
            "request",
            "pace.rs",
            "sealed.rs",
        ],
    ),
    (
        "metrics",
        &["operations", "response", "report.rs", "panics.rs", "sealed.rs"],
    ),
    ("page", &["dispatch", "response", "request", "report.rs", "lib.rs"]),
    (
        "application.rs",
        &[
            "scheduling.rs",
            "seen.rs",
            "dispatch",
            "response",
            "request",
            "pace.rs",
            "sealed.rs",
        ],
    ),
    ("root.rs", &["dispatch", "request"]),
    ("problem.rs", &["seen.rs", "operations", "response", "request"]),
    (
        "dispatch",
        &[
            "seconds.rs",
            "seen.rs",
            "lock.rs",
            "response",
            "request",
            "report.rs",
            "pace.rs",
            "sealed.rs",
        ],
    ),
    (
        "exchange",
        &[
            "socket",
            "topic",
            "seen.rs",
            "lock.rs",
            "response",
            "request",
            "report.rs",
            "panics.rs",
            "date.rs",
        ],
    ),
    (
        "operations",
        &[
            "lock.rs",
            "request",
            "threads.rs",
            "report.rs",
            "panics.rs",
            "date.rs",
            "deadline.rs",
        ],
    ),
    ("seen.rs", &["response", "request", "report.rs", "panics.rs"]),
    ("limiter.rs", &["scheduling.rs", "pace.rs"]),
    ("scheduling.rs", &["report.rs", "panics.rs", "request"]),
    ("response", &["panics.rs", "request", "socket", "topic", "report.rs"]),
    (
        "socket",
        &["topic", "lock.rs", "report.rs", "panics.rs", "deadline.rs", "pace.rs"],
    ),
    ("topic", &["lock.rs", "deadline.rs"]),
    ("request", &["lock.rs", "start_error.rs"]),
    ("threads.rs", &["report.rs", "panics.rs"]),
    ("report.rs", &["panics.rs", "deadline.rs"]),
    ("panics.rs", &[]),
    ("date.rs", &["deadline.rs"]),
    ("deadline.rs", &[]),
    ("pipe.rs", &["lock.rs"]),
    ("pace.rs", &[]),
    ("lock.rs", &[]),
    ("start_error.rs", &[]),
    ("seconds.rs", &[]),
    ("sealed.rs", &[]),
    ("lib.rs", &[]),
];

/// The server.
const SERVER: Rooms = &[
    (
        "server/builder",
        &[
            "server/handle.rs",
            "server/process",
            "server/threads",
            "server/probes",
            "server/shared",
            "server/net",
            "server/limits.rs",
        ],
    ),
    ("server/handle.rs", &["server/process", "server/threads"]),
    ("server/process", &["server/shared", "server/net"]),
    (
        "server/threads",
        &[
            "server/event_loop",
            "server/shared",
            "server/connection",
            "server/net",
            "server/limits.rs",
        ],
    ),
    (
        "server/event_loop",
        &["server/shared", "server/connection", "server/net", "server/limits.rs"],
    ),
    ("server/probes", &["server/shared"]),
    (
        "server/shared",
        &["server/connection", "server/net", "server/limits.rs"],
    ),
    ("server/connection", &["server/net", "server/limits.rs"]),
    ("server/net", &[]),
    ("server/limits.rs", &[]),
];

/// The parts of dispatch, from the top: each may import from those below it. What is in the first part meets as
/// `Dispatch` only, so none of it imports another.
const DISPATCH: &[&[&str]] = &[
    // The styles, and what combines them.
    &[
        "routes",
        "methods.rs",
        "resource.rs",
        "chain.rs",
        "mount.rs",
        "hooks.rs",
    ],
    // What they share.
    &["into_dispatch.rs", "by_method.rs", "registry.rs", "notation.rs"],
    // Handlers and their arguments.
    &["handler.rs", "arguments.rs", "segment.rs", "extract"],
    // The walk, and what is told of it.
    &[
        "walk",
        "hook_runs.rs",
        "trail.rs",
        "crumb.rs",
        "reply.rs",
        "map.rs",
        "needs.rs",
        "limits.rs",
        "client_deadline.rs",
        "method_set.rs",
        "urls.rs",
        "kept.rs",
    ],
];

#[test]
fn rooms_import_from_those_below_them_and_only_as_listed() {
    let imports = Imports::of("src");
    for rooms in [CRATE, SERVER] {
        let problems = problems(rooms, &imports);
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

#[test]
fn the_floor_plan_has_no_arrow_upwards_and_no_room_that_does_not_exist() {
    for rooms in [CRATE, SERVER] {
        for (floor, (room, below)) in rooms.iter().enumerate() {
            assert!(super::root().join("src").join(room).exists(), "{room}");
            for other in *below {
                let stands = rooms.iter().position(|(name, _)| name == other);
                assert!(stands.is_some_and(|stands| stands > floor), "{room} -> {other}");
            }
        }
    }
}

#[test]
fn an_arrow_that_is_not_listed_is_found() {
    const ROOMS: Rooms = &[("top", &["bottom"]), ("bottom", &[])];
    let lib = ("lib.rs", "mod top;\nmod bottom;\n");
    let found = |top, bottom| {
        problems(
            ROOMS,
            &Imports::of_texts(&[lib, ("top/mod.rs", top), ("bottom/mod.rs", bottom)]),
        )
    };
    assert_eq!(found("use crate::bottom::B;\n", "use std::fmt;\n"), [] as [&str; 0]);
    assert_eq!(
        found("struct T;\n", "use crate::top::T;\n"),
        ["bottom may not import from top: bottom/mod.rs -> top/mod.rs"]
    );
    assert_eq!(
        found("use crate::bottom::B;\nuse crate::new::N;\n", ""),
        [] as [&str; 0],
        "what does not exist is for the compiler to find"
    );
}

#[test]
fn the_parts_of_dispatch_import_from_those_below_them() {
    let problems = problems_of_dispatch(&Imports::of("src"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn an_arrow_upwards_or_between_styles_is_found() {
    let found = |path, text| {
        let modules = [
            "chain.rs",
            "methods.rs",
            "routes/table.rs",
            "routes/tree.rs",
            "walk/mod.rs",
        ];
        let paths = modules.map(|module| format!("dispatch/{module}"));
        let mut files = vec![
            ("lib.rs", "mod dispatch;\n"),
            ("dispatch/mod.rs", "pub use walk::Walk;\n"),
        ];
        files.extend(
            paths
                .iter()
                .map(|other| (other.as_str(), if *other == path { text } else { "" })),
        );
        problems_of_dispatch(&Imports::of_texts(&files))
    };
    assert_eq!(found("dispatch/chain.rs", "use super::Walk;\n"), [""; 0]);
    assert_eq!(found("dispatch/routes/table.rs", "use super::tree::Tree;\n"), [""; 0]);
    assert_eq!(
        found("dispatch/walk/mod.rs", "use super::chain::Chain;\n"),
        ["dispatch/walk/mod.rs -> dispatch/chain.rs"]
    );
    assert_eq!(
        found("dispatch/chain.rs", "use crate::dispatch::methods::Methods;\n"),
        ["dispatch/chain.rs -> dispatch/methods.rs"]
    );
}

/// Arrows in dispatch that go up, or from one style to another; and files that are in no part.
fn problems_of_dispatch(imports: &Imports) -> Vec<String> {
    // The number of the part, and the room in it.
    let place = |file: &Path| {
        let file = file.strip_prefix("dispatch").ok()?;
        DISPATCH.iter().enumerate().find_map(|(number, part)| {
            let room = part.iter().find(|room| file.starts_with(room))?;
            Some((number, *room))
        })
    };
    let is_inside = |file: &Path| file.starts_with("dispatch") && !is_front(file, "dispatch");
    let mut problems = Vec::new();
    for (file, targets) in imports.arrows() {
        let file = imports.below_root(file);
        if !is_inside(file) {
            continue;
        }
        let Some((part, room)) = place(file) else {
            problems.push(format!("{} is in no part", file.display()));
            continue;
        };
        for target in targets {
            let target = imports.below_root(target);
            let Some((below, other)) = place(target) else { continue };
            let is_allowed = room == other || below > part || (below == part && part > 0);
            if !is_allowed {
                problems.push(format!("{} -> {}", file.display(), target.display()));
            }
        }
    }
    problems
}

/// Arrows between rooms that the plan does not list, and files that it knows no room for.
fn problems(rooms: Rooms, imports: &Imports) -> Vec<String> {
    // A plan is of one folder, or of the whole crate.
    let folder = rooms[0].0.rsplit_once('/').map_or("", |(folder, _)| folder);
    let in_plan = |file: &Path| file.starts_with(folder) && !is_front(file, folder);
    let mut problems = BTreeSet::new();
    for (file, targets) in imports.arrows() {
        let file = imports.below_root(file);
        if !in_plan(file) {
            continue;
        }
        let Some((room, below)) = rooms.iter().find(|(room, _)| file.starts_with(room)) else {
            problems.insert(format!("{} is in no room", file.display()));
            continue;
        };
        for target in targets {
            let target = imports.below_root(target);
            let allowed = |other: &&str| target.starts_with(other) || target == Path::new(other);
            let is_other = in_plan(target) && !target.starts_with(room);
            if is_other && !below.iter().any(allowed) {
                let named = rooms.iter().find(|(other, _)| target.starts_with(other));
                problems.insert(format!(
                    "{room} may not import from {}: {} -> {}",
                    named.map_or("no room", |(name, _)| name),
                    file.display(),
                    target.display()
                ));
            }
        }
    }
    problems.into_iter().collect()
}

/// The file that declares the rooms: it only passes on.
fn is_front(file: &Path, folder: &str) -> bool {
    file == Path::new(folder).join("mod.rs") || (folder.is_empty() && file == Path::new("lib.rs"))
}
