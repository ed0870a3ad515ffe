//! What keeps a server from starting is printed as a sentence: what happened, where, and what to do.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hansel::{Listener, Metrics, Server, Trust};

const IN_USE: &str = "address already in use; another program has it: stop that one, or choose another port";

/// Builds an example as this test was built, and runs it.
fn run(example: &str, arguments: &[&str]) -> Output {
    let features: [(&str, bool); 10] = [
        ("development", cfg!(feature = "development")),
        ("regex", cfg!(feature = "regex")),
        ("query", cfg!(feature = "query")),
        ("form", cfg!(feature = "form")),
        ("json", cfg!(feature = "json")),
        ("cors", cfg!(feature = "cors")),
        ("tls", cfg!(feature = "tls")),
        ("activation", cfg!(feature = "activation")),
        ("tracing", cfg!(feature = "tracing")),
        ("tower", cfg!(feature = "tower")),
    ];
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells this test would make it compile what it has compiled already.
    let is_told = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|begin| name.starts_with(begin))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_told)) {
        cargo.env_remove(name);
    }
    cargo.args(["run", "--quiet", "--offline", "--locked", "--package", "hansel"]);
    if features.iter().all(|(_, is_on)| *is_on) {
        // The same features as on the command line of the tests, so that nothing is built twice.
        cargo.arg("--all-features");
    } else {
        let on = features.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name);
        let on: Vec<_> = on.collect();
        cargo.args(["--no-default-features", "--features", &on.join(",")]);
    }
    cargo.args(["--example", example, "--"]).args(arguments);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

#[track_caller]
fn says(output: &Output, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("Error: {expected}\n"));
    assert_eq!(output.status.code(), Some(1));
}

/// The listener of a port that nobody else has then.
fn take(port: u16) -> TcpListener {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < until, "port {port}: {error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_port_that_is_taken_is_said_by_the_first_program_of_the_readme() {
    let _taken = take(8080);
    says(&run("hello", &[]), &format!("can't listen on 127.0.0.1:8080: {IN_USE}"));
}

#[cfg(feature = "development")]
#[test]
fn an_address_that_is_taken_or_none_is_said() {
    let taken = take(0);
    let address = taken.local_addr().unwrap().to_string();
    says(
        &run("development", &[&address]),
        &format!("can't listen on {address}: {IN_USE}"),
    );
    says(
        &run("development", &["here"]),
        "can't listen on here: invalid socket address; an address is written like 127.0.0.1:8080 or [::1]:8080",
    );
    says(
        &run("development", &["192.0.2.1:80"]),
        "can't listen on 192.0.2.1:80: cannot assign requested address; no network interface of this machine has that address",
    );
}

#[cfg(feature = "tls")]
#[test]
fn files_of_tls_that_are_missing_or_empty_are_said() {
    let here = env!("CARGO_MANIFEST_DIR");
    says(
        &run("https", &["missing.pem", "key.pem"]),
        &format!(
            "can't read the certificate from missing.pem: no such file or directory; the path is relative to {here}"
        ),
    );
    says(
        &run("https", &["Cargo.toml", "key.pem"]),
        "can't read the certificate from Cargo.toml: there is no certificate in it; the file must be in PEM, which \
         begins with -----BEGIN",
    );
    says(&run("https", &[]), "usage: https CHAIN.PEM KEY.PEM [ADDRESS]");
}

/// As `main` prints it that returns `io::Result`, and as one does that returns `hansel::Result`.
#[track_caller]
fn is_printed<T>(outcome: io::Result<T>, expected: &str) {
    let Err(error) = outcome else { panic!("it starts") };
    let printed = format!("Custom {{ kind: {:?}, error: {expected} }}", error.kind());
    assert_eq!(format!("{error:?}"), printed);
    assert_eq!(format!("{:?}", hansel::Error::from(error)), expected);
}

#[test]
fn programs_whose_main_returns_an_io_result_still_compile_and_print_a_sentence() {
    fn main(address: &str) -> io::Result<()> {
        Server::bind(address)?.serve(|| "Hello, world!")
    }
    let taken = take(0);
    let address = taken.local_addr().unwrap().to_string();
    is_printed(main(&address), &format!("can't listen on {address}: {IN_USE}"));
    is_printed(
        Server::port(taken.local_addr().unwrap().port()),
        &format!(
            "can't listen on port {} of every address: {IN_USE}",
            taken.local_addr().unwrap().port()
        ),
    );
    is_printed(
        Server::bind("127.0.0.1:0").unwrap().health_on(&*address),
        &format!("can't listen on {address}: {IN_USE}"),
    );
}

#[test]
fn what_is_set_wrongly_is_said() {
    let behind_proxies = Listener::tcp("127.0.0.1:0").unwrap().proxy_protocol();
    is_printed(
        Server::new(behind_proxies).quiet().serve(|| "Hello, world!"),
        "the PROXY protocol is on, but no peer is trusted to send it; name the proxies with `Server::trust`",
    );
    is_printed(
        Server::bind("127.0.0.1:0")
            .unwrap()
            .metrics(Metrics::new())
            .quiet()
            .serve(|| "Hello, world!"),
        "there are metrics, but no `/metrics` that has them; serve it with `Server::health` or `Server::health_on`",
    );
    let error = Trust::peers(["10.0.0.1/40"]).unwrap_err();
    let text = error.to_string();
    is_printed(Err::<(), _>(error), &text);
    assert!(text.starts_with("can't trust \"10.0.0.1/40\": "), "{text}");
}

#[cfg(unix)]
#[test]
fn a_path_of_a_socket_that_can_not_be_had_is_said() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("startup-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name);
    let unix = |name: &str| Server::unix(path(name), 0o600);
    let shown = |name: &str| path(name).display().to_string();
    let _first = unix("socket").unwrap();
    is_printed(
        unix("socket"),
        &format!(
            "can't listen on {}: address already in use; another server has it: stop that one, or choose another path",
            shown("socket")
        ),
    );
    fs::write(path("file"), "text").unwrap();
    is_printed(
        unix("file"),
        &format!(
            "can't listen on {}: address already in use; a file that is no socket is there: remove it, or choose another path",
            shown("file")
        ),
    );
    is_printed(
        unix("missing/socket"),
        &format!(
            "can't listen on {}: no such file or directory; its directory does not exist: create it",
            shown("missing/socket")
        ),
    );
    fs::remove_dir_all(&folder).unwrap();
}
