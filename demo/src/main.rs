//! A demo of hansel: `cargo run --release`, then open the address that it prints.

mod app;

use std::io::{self, Write};
use std::process::ExitCode;

use hansel::{Method, Server};

/// What the command line requests.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Serve { address: String },
    Routes,
    Explain { method: Method, target: String },
    Help,
}

const USAGE: &str = r#"usage: hansel-demo [--listen ADDRESS] [--routes] [--explain "METHOD /PATH"]

  --listen ADDRESS   listen there instead of on 127.0.0.1:8000; port 0 chooses a free one. Sockets that
                     were passed to the process are used instead. SIGHUP restarts it without losing a request
  --routes           print all routes, and end
  --explain "GET /people/7"
                     print how that request would be dispatched, and why, and end"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match wish(&arguments) {
        Ok(Wish::Serve { address }) => serve(&address).map_err(|error| error.to_string()),
        Ok(Wish::Routes) => {
            tell(&app::app().routes());
            Ok(())
        }
        Ok(Wish::Explain { method, target }) => {
            tell(&app::app().explain(method, &target));
            Ok(())
        }
        Ok(Wish::Help) => {
            tell(&format!("{USAGE}\n"));
            Ok(())
        }
        Err(mistake) => Err(format!("{mistake}\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn wish(arguments: &[String]) -> Result<Wish, String> {
    let mut address = String::from("127.0.0.1:8000");
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => address = arguments.next().ok_or("--listen needs an address")?.clone(),
            "--routes" => return Ok(Wish::Routes),
            "--explain" => return explain(arguments.next().ok_or("--explain needs \"METHOD /PATH\"")?),
            "--help" | "-h" => return Ok(Wish::Help),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Wish::Serve { address })
}

fn explain(request: &str) -> Result<Wish, String> {
    let (method, target) = request.split_once(' ').unwrap_or(("GET", request));
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is not a valid method"))?;
    Ok(Wish::Explain {
        method,
        target: target.to_owned(),
    })
}

/// Prints to the standard output, which may be closed.
fn tell(text: &dyn std::fmt::Display) {
    let _ = write!(io::stdout(), "{text}");
}

fn serve(address: &str) -> hansel::Result {
    let server = match Server::activated()? {
        Some(server) => server,
        None => Server::bind(address)?,
    };
    for address in server.local_addrs() {
        tell(&format!("{}\n", app::what_to_try(&address.to_string())));
    }
    Ok(server.restart_on_hangup()?.serve(app::app())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(arguments: &[&str]) -> Result<Wish, String> {
        wish(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn the_command_line_is_understood_or_said_not_to_be() {
        let address = |address: &str| {
            Ok(Wish::Serve {
                address: address.to_owned(),
            })
        };
        assert_eq!(wished(&[]), address("127.0.0.1:8000"));
        assert_eq!(wished(&["--listen", "[::1]:0"]), address("[::1]:0"));
        assert_eq!(wished(&["--help"]), Ok(Wish::Help));
        assert_eq!(wished(&["--routes"]), Ok(Wish::Routes));
        let target = String::from("/people/7");
        assert_eq!(
            wished(&["--explain", "POST /people/7"]),
            Ok(Wish::Explain {
                method: Method::POST,
                target
            })
        );
        assert!(wished(&["--explain"]).unwrap_err().contains("--explain"));
        assert!(wished(&["--explain", "G(ET /"]).unwrap_err().contains("G(ET"));
        assert!(wished(&["--listen"]).unwrap_err().contains("--listen"));
        assert!(wished(&["--port"]).unwrap_err().contains("--port"));
    }
}
