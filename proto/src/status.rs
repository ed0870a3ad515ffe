//! Status codes and the lines that carry them (IANA HTTP Status Code Registry).

/// What comes before and after a phrase in the line.
const LINE_START: &str = "HTTP/1.1 200 ";
const LINE_END: &str = "\r\n";

macro_rules! statuses {
    ($($code:literal $phrase:literal,)*) => {
        /// Returns the reason phrase of a status in the IANA registry; empty for a status that is not registered.
        ///
        /// ```
        /// assert_eq!(hansel_proto::reason_phrase(404), "Not Found");
        /// assert_eq!(hansel_proto::reason_phrase(299), "");
        /// ```
        pub const fn reason_phrase(status: u16) -> &'static str {
            // The phrase is a part of the line, so the program contains it only once.
            let Some(line) = registered_line(status) else { return "" };
            let (_, phrase) = line.split_at(LINE_START.len());
            let (phrase, _) = phrase.split_at(phrase.len() - LINE_END.len());
            match std::str::from_utf8(phrase) {
                Ok(phrase) => phrase,
                Err(_) => "",
            }
        }

        /// Returns the whole status line of a registered status.
        pub(crate) const fn registered_line(status: u16) -> Option<&'static [u8]> {
            match status {
                $($code => Some(concat!("HTTP/1.1 ", $code, " ", $phrase, "\r\n").as_bytes()),)*
                _ => None,
            }
        }
    };
}

statuses! {
    100 "Continue",
    101 "Switching Protocols",
    102 "Processing",
    103 "Early Hints",
    104 "Upload Resumption Supported",
    200 "OK",
    201 "Created",
    202 "Accepted",
    203 "Non-Authoritative Information",
    204 "No Content",
    205 "Reset Content",
    206 "Partial Content",
    207 "Multi-Status",
    208 "Already Reported",
    226 "IM Used",
    300 "Multiple Choices",
    301 "Moved Permanently",
    302 "Found",
    303 "See Other",
    304 "Not Modified",
    305 "Use Proxy",
    307 "Temporary Redirect",
    308 "Permanent Redirect",
    400 "Bad Request",
    401 "Unauthorized",
    402 "Payment Required",
    403 "Forbidden",
    404 "Not Found",
    405 "Method Not Allowed",
    406 "Not Acceptable",
    407 "Proxy Authentication Required",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    412 "Precondition Failed",
    413 "Content Too Large",
    414 "URI Too Long",
    415 "Unsupported Media Type",
    416 "Range Not Satisfiable",
    417 "Expectation Failed",
    421 "Misdirected Request",
    422 "Unprocessable Content",
    423 "Locked",
    424 "Failed Dependency",
    425 "Too Early",
    426 "Upgrade Required",
    428 "Precondition Required",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    451 "Unavailable For Legal Reasons",
    500 "Internal Server Error",
    501 "Not Implemented",
    502 "Bad Gateway",
    503 "Service Unavailable",
    504 "Gateway Timeout",
    505 "HTTP Version Not Supported",
    506 "Variant Also Negotiates",
    507 "Insufficient Storage",
    508 "Loop Detected",
    510 "Not Extended",
    511 "Network Authentication Required",
}
