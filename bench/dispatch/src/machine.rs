//! The machine and the versions of a measurement.

use std::process::Command;

pub(crate) fn described() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "Measured {} on {}, load average {} at the start; {}, {}; {}.",
        said("date", &["-u", "+%F"]),
        processor.map_or("an unknown processor", |(_, model)| model),
        load.split(' ').next().unwrap_or("?"),
        said("rustc", &["--version"]),
        said("python3", &["--version"]),
        versions(&["matchit", "actix-router", "axum", "regex"]),
    )
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("no {program}"))
}

/// Returns the newest version of each crate in the lock file.
fn versions(names: &[&str]) -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &&str| {
        let entry = lock
            .rsplit("[[package]]")
            .find(|entry| entry.contains(&format!("name = \"{name}\"")))?;
        Some(format!(
            "{name} {}",
            entry.split("version = \"").nth(1)?.split('"').next()?
        ))
    };
    names.iter().filter_map(version).collect::<Vec<_>>().join(", ")
}
