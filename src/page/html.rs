//! The story as a page of HTML and CSS.

use std::fmt::{self, Write};

use http::StatusCode;

use super::escape::{Escaped, Prose};
use super::{Own, Story, secrets};
use crate::dispatch::{Miss, Outcome, TrailCrumb};
use crate::response::{reason, status_text};

/// The most routes that are listed.
const LISTED: usize = 300;
/// The number of routes that are visible before the list is unfolded.
const UNFOLDED: usize = 24;

const STYLE: &str = include_str!("style.css");

/// Returns the whole page.
pub(super) fn page(story: &Story<'_>) -> String {
    let mut page = String::new();
    // Writing to a string can't fail.
    let _ = write(story, &mut page);
    page
}

fn write(story: &Story<'_>, to: &mut String) -> fmt::Result {
    let (status, method, path) = (story.status, story.request.method(), Escaped(story.request.path()));
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{} · {method} {path}</title>\n<style>\n{STYLE}</style>\n</head>\n<body class=\"s{}\">\n",
        status.as_u16(),
        status.as_u16(),
    )?;
    header(story, to)?;
    to.push_str("<main>\n");
    panic(story, to)?;
    near(story, to)?;
    trail(story, to)?;
    own(story.own.as_ref(), to)?;
    routes(story, to)?;
    request(story, to)?;
    write!(
        to,
        "</main>\n<footer>\n<p>You see this because development mode is on: <code>App::development(true)</code>. \
         Without it, the response is {}.</p>\n<p>hansel {}</p>\n</footer>\n</body>\n</html>\n",
        match &story.own {
            Some(_) => "your own".to_owned(),
            None => format!("just “{}”", status_text(status)),
        },
        env!("CARGO_PKG_VERSION"),
    )
}

/// Writes what happened, in a sentence, and how far the path leads.
fn header(story: &Story<'_>, to: &mut String) -> fmt::Result {
    let status = story.status;
    write!(
        to,
        "<header>\n<p class=\"status\"><b>{}</b> {}</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
        status.as_u16(),
        reason(status),
        Prose(&headline(story)),
        Prose(&lead(story)),
    )?;
    write!(
        to,
        "<div class=\"path\"><span class=\"method\">{}</span><ol>",
        story.request.method()
    )?;
    if story.request.segments().is_empty() {
        to.push_str("<li class=\"known\"><code>/</code></li>");
    }
    for (number, segment) in story.request.segments().enumerate() {
        let class = match number.cmp(&story.known) {
            std::cmp::Ordering::Less => "known",
            std::cmp::Ordering::Equal => "lost",
            std::cmp::Ordering::Greater => "ahead",
        };
        let shown = if segment.is_empty() { "(empty)" } else { segment };
        write!(to, "<li class=\"{class}\"><code>/{}</code></li>", Escaped(shown))?;
    }
    if story.known >= story.request.segments().count() && story.is_lost() {
        to.push_str("<li class=\"lost\"><code>…</code></li>");
    }
    to.push_str("</ol></div>\n</header>\n");
    Ok(())
}

fn headline(story: &Story<'_>) -> String {
    let (method, path) = (story.request.method(), story.request.path());
    match (story.endpoint(), &story.trail.outcome) {
        (Some(endpoint), _) if story.panic.is_some() => format!("`{endpoint}` panicked."),
        (None, _) if story.panic.is_some() => "A panic on the way.".to_owned(),
        (_, Outcome::Missed(Miss::NotFound)) => format!("Nothing is at `{path}`."),
        (_, Outcome::Missed(Miss::MethodNotAllowed(_))) => format!("`{path}` does not take `{method}`."),
        (Some(endpoint), _) if story.failure.is_some() => format!("`{endpoint}` failed."),
        (Some(endpoint), _) => format!("`{endpoint}` answered {}.", story.status.as_u16()),
        (None, _) => format!("{} for `{path}`.", status_text(story.status)),
    }
}

fn lead(story: &Story<'_>) -> String {
    match &story.trail.outcome {
        _ if story.panic.is_some() || story.failure.is_some() => {
            "Dispatch found its way; the function at its end did not.".to_owned()
        }
        Outcome::Missed(Miss::NotFound) => {
            if let Some(why) = story.unfit {
                let reason = why.to_string();
                let mut letters = reason.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                return format!("{}{}.", first.into_iter().collect::<String>(), letters.as_str());
            }
            let known: Vec<&str> = story.request.segments().take(story.known).collect();
            match (&known[..], story.request.segments().nth(story.known)) {
                (_, None) => "The trail goes on from here, and the path does not.".to_owned(),
                ([], Some(first)) => format!("No trail begins with `{first}`."),
                (known, Some(_)) => format!("The trail ends behind `/{}`.", known.join("/")),
            }
        }
        Outcome::Missed(Miss::MethodNotAllowed(allowed)) => format!("It takes {}.", allowed.allow()),
        _ if story.status == StatusCode::INTERNAL_SERVER_ERROR => {
            "Dispatch found its way; this is what the function at its end made of it.".to_owned()
        }
        _ => "Dispatch found its way. It was the function itself that said so.".to_owned(),
    }
}

/// Writes what went wrong in a function, and where.
fn panic(story: &Story<'_>, to: &mut String) -> fmt::Result {
    let Some(panic) = story.panic else {
        return match &story.failure {
            Some(failure) => {
                writeln!(
                    to,
                    "<section id=\"failure\">\n<h2>The error</h2>\n<pre class=\"message\">{}</pre>\n</section>",
                    Escaped(failure)
                )
            }
            None => Ok(()),
        };
    };
    writeln!(
        to,
        "<section id=\"panic\">\n<h2>The panic</h2>\n<pre class=\"message\">{}</pre>",
        Escaped(&panic.message)
    )?;
    if let Some(place) = &panic.place {
        writeln!(to, "<p class=\"place\">at <code>{}</code></p>", Escaped(place))?;
        if let Some(lines) = place.excerpt() {
            to.push_str("<pre class=\"source\">");
            for (number, line) in lines {
                let class = if number == place.line { " class=\"here\"" } else { "" };
                write!(to, "<span{class}><i>{number}</i>{}\n</span>", Escaped(line))?;
            }
            to.push_str("</pre>\n");
        }
    }
    to.push_str("</section>\n");
    Ok(())
}

/// Writes what was perhaps meant.
fn near(story: &Story<'_>, to: &mut String) -> fmt::Result {
    if story.near.is_empty() {
        return Ok(());
    }
    write!(to, "<section id=\"near\">\n<h2>{}</h2>\n<ul>\n", story.near_title())?;
    for near in &story.near {
        let methods = Methods(&near.place.methods);
        let path = Escaped(&near.path);
        write!(to, "<li>{methods}")?;
        match &near.link {
            Some(link) => write!(to, "<a href=\"{}\"><code>{path}</code></a>", Escaped(link))?,
            None => write!(to, "<code>{path}</code>")?,
        }
        writeln!(to, "<span>{}</span></li>", Prose(&near.difference))?;
    }
    to.push_str("</ul>\n</section>\n");
    Ok(())
}

/// Writes what each dispatcher decided, and why.
fn trail(story: &Story<'_>, to: &mut String) -> fmt::Result {
    if story.trail.crumbs.is_empty() {
        return Ok(());
    }
    to.push_str("<section id=\"trail\">\n<h2>The trail</h2>\n<ol>\n");
    for crumb in &story.trail.crumbs {
        crumb_of(crumb, to)?;
    }
    let end = match &story.trail.outcome {
        Outcome::Found => "Found.".to_owned(),
        Outcome::Moved(location) => format!("Moved to `{location}`."),
        Outcome::Missed(Miss::NotFound) => "Nobody else to ask: 404.".to_owned(),
        Outcome::Missed(Miss::MethodNotAllowed(allowed)) => {
            format!("There is something here, for {}: 405.", allowed.allow())
        }
        Outcome::Refused(status) => format!("A limit is in the way: {}.", status.as_u16()),
        Outcome::Invalid(reason) => reason.clone(),
    };
    writeln!(to, "</ol>\n<p class=\"end\">{}</p>\n</section>", Prose(&end))
}

fn crumb_of(crumb: &TrailCrumb, to: &mut String) -> fmt::Result {
    let (class, mark, words) = match (&crumb.declined, crumb.is_endpoint) {
        (Some(_), _) => ("declined", "×", "declined"),
        (None, true) => ("endpoint", "●", "endpoint"),
        (None, false) => ("step", "○", "went on"),
    };
    // Beyond this depth, a line would have no room left on a phone.
    let depth = crumb.depth.min(8);
    write!(
        to,
        "<li class=\"{class} d{depth}\"><b aria-label=\"{words}\">{mark}</b><div><em>{}</em> ",
        Escaped(&crumb.dispatcher)
    )?;
    if !crumb.handler.is_empty() {
        write!(to, "<code>{}</code> ", Escaped(&crumb.handler))?;
    }
    if let Some(taken) = crumb.taken.as_ref().filter(|taken| **taken != crumb.handler) {
        write!(to, "<span class=\"taken\">takes <code>{}</code></span>", Escaped(taken))?;
    }
    if let Some(why) = &crumb.declined {
        write!(to, "<p>{}</p>", Prose(&why.to_string()))?;
    }
    to.push_str("</div></li>\n");
    Ok(())
}

/// Writes the application's own response.
fn own(own: Option<&Own>, to: &mut String) -> fmt::Result {
    let Some(own) = own else { return Ok(()) };
    to.push_str("<section id=\"own\">\n<h2>Your own response</h2>\n");
    if own.is_html {
        writeln!(
            to,
            "<iframe sandbox title=\"Your own response\" srcdoc=\"{}\"></iframe>",
            Escaped(&own.text)
        )?;
    } else {
        writeln!(to, "<pre class=\"message\">{}</pre>", Escaped(&own.text))?;
    }
    to.push_str("</section>\n");
    Ok(())
}

/// Writes the map of routes.
fn routes(story: &Story<'_>, to: &mut String) -> fmt::Result {
    let places = story.map.places();
    let open = if places.len() <= UNFOLDED { " open" } else { "" };
    write!(
        to,
        "<section id=\"routes\">\n<details{open}>\n<summary><h2>All routes <small>{}</small></h2></summary>\n\
         <div class=\"wide\"><table>\n",
        places.len()
    )?;
    for place in places.iter().take(LISTED) {
        let is_near = story.near.iter().any(|near| std::ptr::eq(near.place, place));
        writeln!(
            to,
            "<tr{}><td>{}</td><td><code>{}</code></td><td><code>{}</code></td></tr>",
            if is_near { " class=\"near\"" } else { "" },
            Methods(&place.methods),
            // Lines break before a slash first. Escaped text contains no slashes of its own.
            Escaped(&place.pattern).to_string().replace('/', "<wbr>/"),
            Escaped(&place.handler),
        )?;
    }
    to.push_str("</table></div>\n");
    if let Some(more @ 1..) = places.len().checked_sub(LISTED) {
        writeln!(to, "<p>and {more} more</p>")?;
    }
    to.push_str("</details>\n</section>\n");
    Ok(())
}

/// Writes the request.
fn request(story: &Story<'_>, to: &mut String) -> fmt::Result {
    let request = story.request;
    to.push_str(
        "<section id=\"request\">\n<details>\n<summary><h2>The request</h2></summary>\n<div class=\"wide\"><table>\n",
    );
    row(to, "Method", request.method())?;
    row(to, "Path", request.path())?;
    let segments: Vec<_> = request.segments().map(|segment| format!("“{segment}”")).collect();
    row(
        to,
        "Segments, decoded",
        if segments.is_empty() {
            "none".to_owned()
        } else {
            segments.join(" ")
        },
    )?;
    if let Some(query) = request.query() {
        row(to, "Query", story.secrets.left_out_of(&secrets::query(query)))?;
    }
    if let Some(peer) = request.peer() {
        row(to, "From", peer)?;
    }
    for (name, value) in request.headers() {
        let text = String::from_utf8_lossy(value);
        if secrets::is_secret(name, &text) {
            row(to, name, secrets::octets(value.len()))?;
        } else {
            row(to, name, story.secrets.left_out_of(&text))?;
        }
    }
    to.push_str("</table></div>\n</details>\n</section>\n");
    Ok(())
}

fn row(to: &mut String, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(
        to,
        "<tr><th>{}</th><td><code>{}</code></td></tr>",
        Escaped(name),
        Escaped(value)
    )
}

/// Methods, each as a badge.
struct Methods<'m>(&'m crate::dispatch::MethodSet);

impl fmt::Display for Methods<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_any() {
            return f.write_str("<span class=\"method\">any</span>");
        }
        for method in self.0.to_string().split(", ").filter(|method| !method.is_empty()) {
            write!(f, "<span class=\"method\">{}</span>", Escaped(method))?;
        }
        Ok(())
    }
}

impl Story<'_> {
    fn is_lost(&self) -> bool {
        matches!(self.trail.outcome, Outcome::Missed(Miss::NotFound))
    }
}
