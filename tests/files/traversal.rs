//! Nothing outside the directory is ever sent, and nobody waits for what is no file.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hansel::files::Files;
use hansel::test::Client;
use hansel::{Routes, Server};

use super::tree::{Tree, await_that};

const SECRET: &str = "the secret outside";

/// `root/` with a few files, and a secret beside it.
fn tree() -> Tree {
    Tree::new()
        .with("secret.txt", SECRET)
        .with("outside/secret.txt", SECRET)
        .with("root/a.txt", "inside")
        .with("root/d/b.txt", "inside")
        .with("root/.hidden", SECRET)
        .with("root/.git/config", SECRET)
        .with("root/d/.env", SECRET)
        .with("root/.well-known/security.txt", "inside")
}

/// Paths that mean a file outside, or a hidden one, to some server, file system or decoder.
fn tricks() -> Vec<String> {
    let dots = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "%25%32%65%25%32%65",
        "..%00",
        "..;",
        "..%20",
        "..%09",
        "...",
        "....",
        "..%c0%af..",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%uff0e%uff0e",
        "\u{ff0e}\u{ff0e}",
        "..%ef%bc%8f",
        "\u{2025}",
        ".\u{200b}.",
        "..:",
        "..::$DATA",
        "%2e%2e%2e",
    ];
    let separators = [
        "/", "%2f", "%2F", "%252f", "%5c", "%5C", "\\", "%255c", "%c0%af", "%c1%9c", "\u{2215}", "\u{ff0f}", "//",
        "/./", "/%2e/", ";/", "%00/", "/%20/",
    ];
    let targets = [
        "secret.txt",
        "secret.txt%00.html",
        "secret.txt/",
        "outside/secret.txt",
        "etc/passwd",
    ];
    let mut tricks = Vec::new();
    for dots in dots {
        for separator in separators {
            for target in targets {
                for begin in ["", "d/", "a.txt/", ".well-known/", "nothing/"] {
                    tricks.push(format!("/{begin}{dots}{separator}{target}"));
                    tricks.push(format!("/{begin}{dots}{separator}{dots}{separator}{target}"));
                }
            }
        }
    }
    let others = [
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/%2Egit/config",
        "/d/.env",
        "/d/.env/",
        "/.well-known/../.hidden",
        "/.hidden%00.txt",
        "//.hidden",
        "/./.hidden",
        "/d/./../.hidden",
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/%5cetc%5cpasswd",
        "/C:/secret.txt",
        "/C:%5csecret.txt",
        "/file:///etc/passwd",
        "/proc/self/environ",
        "/~root",
        "/a.txt%00/../../secret.txt",
        "/a.txt::$DATA",
        "/CON",
        "/d/NUL.txt",
        "/%00",
        "/a.txt%00",
        "/d%00/b.txt",
        "/.",
        "/..",
        "/%2e",
        "/%2e%2e",
        "/%2e%2e/",
        "/..%2f",
        "/root/a.txt",
        "/d/..",
        "/d/../",
        "/d/../a.txt",
        "/./a.txt",
        "/d//b.txt",
        "/d%2fb.txt",
        "/d%5cb.txt",
        "/a.txt/",
        "/a.txt/.",
        "/a.txt/..",
        "/a.txt/../a.txt",
    ];
    tricks.extend(others.map(str::to_owned));
    tricks.push(format!("/{}secret.txt", "../".repeat(100)));
    tricks.push(format!("/{}", "d/".repeat(2000)));
    tricks.push(format!("/{}", "a".repeat(5000)));
    tricks
}

/// Sends a path as it is: a client that follows the rules could not.
fn raw(client: &Client, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    String::from_utf8_lossy(&client.converse(request.as_bytes())).into_owned()
}

#[test]
fn no_known_trick_leaves_the_directory_or_shows_what_is_hidden() {
    let tree = tree();
    let root = || Files::new(tree.path("root")).listing().precompressed();
    let mut tried = 0;
    for (prefix, client) in [
        ("", Client::new(root())),
        ("/files", Client::new(Routes::new().mount("/files", root()))),
    ] {
        for trick in tricks() {
            let response = raw(&client, &format!("{prefix}{trick}"));
            let status = response.get(9..12).unwrap_or_default();
            assert!(matches!(status, "404" | "400"), "{trick}: {response}");
            assert!(
                !response.contains(SECRET) && !response.contains("root:"),
                "{trick}: {response}"
            );
            tried += 1;
        }
        for (inside, status) in [
            ("/a.txt", "200"),
            ("/d/b.txt", "200"),
            ("/.well-known/security.txt", "200"),
        ] {
            assert_eq!(
                raw(&client, &format!("{prefix}{inside}")).get(9..12),
                Some(status),
                "{inside}"
            );
        }
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn hidden_names_are_there_if_asked_for_and_dots_still_lead_nowhere() {
    let tree = tree();
    let client = Client::new(Files::new(tree.path("root")).hidden());
    assert_eq!(client.get("/.git/config").text(), SECRET);
    assert!(raw(&client, "/../secret.txt").starts_with("HTTP/1.1 404"));
    assert!(raw(&client, "/%2e%2e/secret.txt").starts_with("HTTP/1.1 404"));
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[test]
    fn links_that_stay_inside_are_followed_and_those_that_lead_outside_are_not() {
        let tree = tree();
        let link = |target: &str, name: &str| symlink(target, tree.path("root").join(name)).unwrap();
        link("a.txt", "inside");
        link("../a.txt", "d/up");
        link("d", "directory");
        for (target, name) in [
            ("../secret.txt", "out1"),
            ("../outside", "out2"),
            ("d/../../secret.txt", "out3"),
            ("/etc/passwd", "out4"),
            ("out1", "out5"),
            ("/proc/self/root/etc/passwd", "out6"),
            ("loop", "loop"),
            ("nothing", "dangling"),
            ("../root/a.txt", "out7"),
        ] {
            link(target, name);
        }
        let absolute = tree.path("root/a.txt");
        symlink(absolute, tree.path("root/absolute")).unwrap();
        let client = Client::new(Files::new(tree.path("root")).listing());
        let is_followed = cfg!(any(target_os = "linux", target_os = "android"));
        for inside in ["/inside", "/d/up", "/directory/b.txt"] {
            let response = client.get(inside);
            assert_eq!(response.status() == 200, is_followed, "{inside}");
            assert!(!is_followed || response.text() == "inside");
        }
        let outside = [
            "/out1",
            "/out2",
            "/out2/",
            "/out2/secret.txt",
            "/out3",
            "/out4",
            "/out5",
            "/out6",
            "/out7",
        ];
        for name in outside.into_iter().chain(["/loop", "/dangling", "/absolute"]) {
            assert_eq!(client.get(name).status(), 404, "{name}");
        }
        let page = client.get("/");
        assert!(
            !page.text().contains("out"),
            "what is not sent is not listed: {}",
            page.text()
        );
        assert_eq!(page.text().contains("./directory/"), is_followed);
    }

    #[test]
    fn the_directory_itself_may_be_a_link() {
        let tree = tree();
        symlink(tree.path("root"), tree.path("current")).unwrap();
        let client = Client::new(Files::new(tree.path("current")));
        assert_eq!(client.get("/a.txt").text(), "inside");
        // A deployment that swaps it shows soon, and then whole.
        fs::remove_file(tree.path("current")).unwrap();
        symlink(tree.path("outside"), tree.path("current")).unwrap();
        await_that(|| client.get("/secret.txt").status() == 200);
        assert_eq!(client.get("/a.txt").status(), 404);
    }

    /// Another thread swaps `root/swap`, a directory, with a link that leads outside, as fast as it can.
    #[test]
    fn a_link_that_takes_the_place_of_a_directory_while_it_is_served_leads_nowhere() {
        const ROUNDS: usize = 3000;
        let tree = tree()
            .with("real/secret.txt", "inside")
            .with("real/index.html", "inside");
        let (inside, link, swap) = (tree.path("real"), tree.path("link"), tree.path("root/swap"));
        symlink("../outside", &link).unwrap();
        fs::rename(&inside, &swap).unwrap();
        let (is_over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
        let client = Client::new(Files::new(tree.path("root")).listing().precompressed());
        let (mut found, mut missed) = (0, 0);
        /// Ends the other thread, also if an assertion fails.
        struct End<'b>(&'b AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|scope| {
            let _end = End(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for (out, of, place) in [(&inside, &swap, &link), (&link, &swap, &inside)] {
                        fs::rename(of, out).unwrap();
                        fs::rename(place, of).unwrap();
                    }
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut round = 0;
            // Both must have happened often.
            while round < ROUNDS || (swaps.load(Ordering::Relaxed) < 100 && round < 100 * ROUNDS) {
                round += 1;
                for target in ["/swap/secret.txt", "/swap/", "/swap"] {
                    let response = client.get(target);
                    assert!(!response.text().contains(SECRET), "{target} has left the directory");
                    assert!(
                        matches!(response.status().as_u16(), 200 | 308 | 404),
                        "{}",
                        response.status()
                    );
                    match response.status().as_u16() {
                        404 => missed += 1,
                        _ => found += 1,
                    }
                }
            }
        });
        assert!(
            found > 0 && missed > 0,
            "{found} found, {missed} missed, {swaps:?} swaps"
        );
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_sent_and_nobody_waits_for_others() {
    let tree = tree();
    let root = tree.path("root");
    let made = std::process::Command::new("mkfifo")
        .args([root.join("fifo"), root.join("fifo.gz")])
        .status()
        .unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    std::os::unix::fs::symlink("fifo", root.join("link")).unwrap();
    fs::create_dir(root.join("fifo-index")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(root.join("fifo-index/index.html"))
            .status()
            .unwrap()
            .success()
    );
    let server = Server::bind("127.0.0.1:0").unwrap().loops(1).threads(1).quiet();
    let server = server.spawn(Files::new(&root).listing().precompressed()).unwrap();
    let get = |target: &str| {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = "Host: a\r\nConnection: close\r\nAccept-Encoding: gzip";
        write!(stream, "GET {target} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("it answers at once");
        response
    };
    for target in [
        "/fifo",
        "/fifo.gz",
        "/socket",
        "/link",
        "/fifo/",
        "/fifo-index/index.html",
    ] {
        assert!(get(target).starts_with("HTTP/1.1 404"), "{target}: {}", get(target));
    }
    let page = get("/");
    assert!(
        page.contains("a.txt") && !page.contains("fifo\"") && !page.contains("socket"),
        "{page}"
    );
    server.shutdown(Duration::ZERO);
    server.wait();

    // Devices are where nobody but root can make them.
    let devices = Client::new(Files::new("/dev"));
    for device in ["/null", "/zero", "/tty", "/random", "/full"] {
        assert_eq!(devices.get(device).status(), 404, "{device}");
    }
    for device in ["/dev/null", "/dev/zero", "/dev/tty"] {
        assert_eq!(Client::new(Files::file(device)).get("/").status(), 404, "{device}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_not_there() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tree();
    let path = tree.path("root/a.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if fs::File::open(&path).is_err() {
        assert_eq!(Client::new(Files::new(tree.path("root"))).get("/a.txt").status(), 404);
    }
}
