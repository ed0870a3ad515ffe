//! A demo of hansel: `cargo run --release`, then open the address that it prints.

mod app;
mod command_line;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use hansel::Server;

use command_line::{USAGE, Wish, wish};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match wish(&arguments) {
        Ok(Wish::Serve { address }) => serve(&address).map_err(|error| error.to_string()),
        Ok(Wish::Routes) => tell(app::app().routes()),
        Ok(Wish::Explain { method, target }) => tell(app::app().explain(method, &target)),
        Ok(Wish::Help) => tell(format!("{USAGE}\n")),
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

fn serve(address: &str) -> hansel::Result {
    let server = match Server::activated()? {
        Some(server) => server,
        None => Server::bind(address)?,
    };
    for address in server.local_addrs() {
        let _ = tell(format!("{}\n", app::what_to_try(&address.to_string())));
    }
    let server = server.health().metrics(app::metrics()).restart_on_hangup()?;
    Ok(server.serve(app::app())?)
}

/// Prints to the standard output, which may be closed.
fn tell(text: impl Display) -> Result<(), String> {
    let _ = write!(io::stdout(), "{text}");
    Ok(())
}
