//! A form with files, as an argument.

use hansel::MultipartForm;

pub(super) fn letter(form: MultipartForm) -> String {
    let mut told = format!("{}\n", form.text("subject").unwrap_or("no subject"));
    for file in form.files("attachment") {
        told += &format!("{}, {} bytes\n", file.file_name().unwrap_or("a file"), file.len());
    }
    told
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;

    #[test]
    fn a_letter_has_a_subject_and_files_whose_names_are_no_paths() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"subject\"\r\n\r\nThe hut\r\n\
            --b\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"../../crumbs.txt\"\r\n\r\nNibble\r\n--b--\r\n";
        let request = Request::post("/letter").with_header("Content-Type", "multipart/form-data; boundary=b");
        let client = Client::new(app());
        assert_eq!(
            client.send(request.with_body(body)).text(),
            "The hut\ncrumbs.txt, 6 bytes\n"
        );
        assert_eq!(client.post("/letter", "subject=The+hut").status(), 415);
    }
}
