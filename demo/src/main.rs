//! What hansel does, to be tried: `cargo run --release`, then open the address it prints.

mod app;

use std::process::ExitCode;

use hansel::Server;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Serve { address: String },
    Help,
}

const USAGE: &str = "usage: hansel-demo [--listen ADDRESS]

  --listen ADDRESS   listen there instead of on 127.0.0.1:8000; port 0 takes any";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match wish(&arguments) {
        Ok(Wish::Serve { address }) => serve(&address).map_err(|error| error.to_string()),
        Ok(Wish::Help) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(mistake) => Err(format!("{mistake}\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
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
            "--help" | "-h" => return Ok(Wish::Help),
            other => return Err(format!("what is {other:?}?")),
        }
    }
    Ok(Wish::Serve { address })
}

fn serve(address: &str) -> std::io::Result<()> {
    let server = Server::bind(address)?;
    for address in server.local_addrs() {
        println!("{}", app::what_to_try(&address.to_string()));
    }
    server.serve(app::app())
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
        assert!(wished(&["--listen"]).unwrap_err().contains("--listen"));
        assert!(wished(&["--port"]).unwrap_err().contains("--port"));
    }
}
