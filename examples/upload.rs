//! An upload: a page with a form, files that are stored while they arrive, and a list of them.
//!
//! `cargo run --example upload --features multipart`, then open <http://localhost:8000/>, or
//! `curl -F comment=hello -F file=@README.md http://localhost:8000/`. Files are stored in the directory `uploads`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hansel::{App, Error, Hooks, Html, Multipart, Request, Response, Routes, Server, State, StatusCode};

/// The largest upload, in bytes. It is never in memory as a whole.
const MOST: u64 = 1024 * 1024 * 1024;

/// Where uploads are stored.
struct Uploads {
    directory: PathBuf,
}

impl Uploads {
    fn new(directory: impl Into<PathBuf>) -> io::Result<Uploads> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Uploads { directory })
    }

    /// Creates a file. Its name begins with the time, so it replaces none, whatever the client calls its own.
    fn create(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The time takes 21 bytes of the 255 that a name may have.
        let end = (0..=name.len().min(200)).rev().find(|end| name.is_char_boundary(*end));
        let name = &name[..end.unwrap_or(0)];
        let path = self.directory.join(format!("{}-{name}", now.as_nanos()));
        Ok((path.clone(), File::create_new(path)?))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.directory)?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

/// A file that is deleted unless all of it has arrived.
struct Unfinished<'p>(Option<&'p Path>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

fn upload(request: &Request, uploads: State<Uploads>) -> hansel::Result<Response> {
    let mut comment = String::new();
    let mut parts = Multipart::of(request)?;
    while let Some(mut part) = parts.next_part()? {
        match part.name() {
            "comment" => comment = part.read_text(1000)?,
            "file" if part.is_file() => {
                let Some(name) = part.file_name().map(str::to_owned) else {
                    return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "Please choose a file.\n"));
                };
                let (path, file) = uploads.create(&name)?;
                let mut unfinished = Unfinished(Some(&path));
                let len = part.save_to(file)?;
                unfinished.0 = None;
                println!("{name}: {len} bytes, {comment:?}");
            }
            _ => {}
        }
    }
    Ok(Response::see_other("/"))
}

fn page(uploads: State<Uploads>) -> hansel::Result<Html<String>> {
    let items: String = uploads
        .names()?
        .iter()
        .map(|name| format!("<li>{}", escaped(name)))
        .collect();
    Ok(Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Uploads</title>\
         <style>body {{ font: 1.1rem system-ui; margin: 3rem }}</style>\
         <h1>Uploads</h1>\
         <form method=post enctype=multipart/form-data>\
         <p><label>Comment <input name=comment></label>\
         <p><input type=file name=file required multiple>\
         <p><button>Upload</button></form>\
         <ul>{items}</ul>"
    )))
}

/// Escapes text for HTML: names of files come from clients.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn app(uploads: Uploads) -> App {
    let routes = Routes::new().get("/", page).post("/", upload).route_body_limit(MOST);
    App::new(Hooks::on(routes).state(uploads))
}

fn main() -> hansel::Result {
    let app = app(Uploads::new("uploads")?);
    Ok(Server::bind("127.0.0.1:8000")?.serve(app)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    fn send(client: &Client, body: &str) -> u16 {
        let request = Request::post("/").with_header("Content-Type", "multipart/form-data; boundary=b");
        client.send(request.with_body(body)).status().as_u16()
    }

    #[test]
    fn whole_files_are_stored_under_safe_names_and_others_are_not() {
        let directory = std::env::temp_dir().join(format!("hansel-uploads-{}", std::process::id()));
        let client = Client::new(app(Uploads::new(&directory).unwrap()));
        let file = "--b\r\nContent-Disposition: form-data; name=file; filename=\"../../<a>.txt\"\r\n\r\ncrumbs\r\n--b";
        assert_eq!(send(&client, &format!("{file}--")), 303);
        assert_eq!(send(&client, &file.replace("\r\n--b", "")), 400);
        assert_eq!(send(&client, &(file.replace("../../<a>.txt", "") + "--")), 422);
        let names = Uploads::new(&directory).unwrap().names().unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].ends_with("-_a_.txt"), "{names:?}");
        assert_eq!(fs::read_to_string(directory.join(&names[0])).unwrap(), "crumbs");
        assert!(client.get("/").text().contains("-_a_.txt"));
        fs::remove_dir_all(directory).unwrap();
    }
}
