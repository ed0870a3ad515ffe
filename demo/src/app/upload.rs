//! Uploads: bodies of any size, read as they arrive.

use std::io;

use hansel::{Counter, Request};

/// The demo's own metric.
pub(super) static UPLOADED: Counter = Counter::new("demo_uploaded_bytes_total", "Bytes that were uploaded.");

pub(super) fn upload(request: &Request) -> hansel::Result<String> {
    let bytes = io::copy(&mut request.body(), &mut io::sink())?;
    UPLOADED.add(bytes);
    Ok(format!("{bytes} bytes\n"))
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::test::Client;

    #[test]
    fn an_upload_is_counted_up_to_the_limit_of_its_route() {
        let client = Client::new(app());
        assert_eq!(client.post("/upload", vec![0; 3_000_000]).text(), "3000000 bytes\n");
        assert_eq!(client.post("/note", vec![0; 100]).text(), "100 bytes\n");
        assert_eq!(client.post("/note", vec![0; 101]).status(), 413);
    }
}
