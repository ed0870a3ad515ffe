//! The command line.

use hansel::Method;

use crate::app::request_line;

/// A request of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Serve { address: String },
    Routes,
    Explain { method: Method, target: String },
    Help,
}

pub(crate) const USAGE: &str = r#"usage: hansel-demo [--listen ADDRESS] [--routes] [--explain "METHOD /PATH"]

  --listen ADDRESS   listen there instead of on 127.0.0.1:8000; port 0 chooses a free one. Sockets that
                     were passed to the process are used instead. SIGHUP restarts it without losing a request
  --routes           print all routes, and end
  --explain "GET /people/7"
                     print how that request would be dispatched, and why, and end"#;

/// Parses the arguments of the program.
pub(crate) fn wish(arguments: &[String]) -> Result<Wish, String> {
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
    let (method, target) = request_line(request)?;
    let target = target.to_owned();
    Ok(Wish::Explain { method, target })
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
