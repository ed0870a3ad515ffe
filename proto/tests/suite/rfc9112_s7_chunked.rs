//! RFC 9112 §7.1: the chunked transfer coding, its extensions and its trailers.

use hansel_proto::{Connection, Head, Limits, Reason, Received, Span};

use crate::wire::{accepted, accepted_within, chunked, refused, refused_within};

/// §7.1: "A recipient MUST be able to parse and decode the chunked transfer coding."
#[test]
fn s7_1_chunks_are_joined() {
    assert_eq!(accepted(chunked("0\r\n\r\n")).content, b"");
    assert_eq!(accepted(chunked("5\r\nhello\r\n0\r\n\r\n")).content, b"hello");
    assert_eq!(
        accepted(chunked("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n")).content,
        b"abcdef"
    );
    assert_eq!(
        accepted(chunked("c\r\n0\r\n\r\nGET / H\r\n0\r\n\r\n")).content,
        b"0\r\n\r\nGET / H"
    );
    assert_eq!(accepted(chunked("00005\r\nhello\r\n000\r\n\r\n")).content, b"hello");
    for size in ["A", "a", "0a", "0A"] {
        assert_eq!(
            accepted(chunked(&format!("{size}\r\n0123456789\r\n0\r\n\r\n")))
                .content
                .len(),
            10
        );
    }
    assert_eq!(
        accepted(chunked("10\r\n0123456789abcdef\r\n0\r\n\r\n")).content.len(),
        16
    );
}

/// §7.1: `chunk-size = 1*HEXDIG`: no sign, no prefix, no space.
#[test]
fn s7_1_a_size_is_hexadecimal_digits() {
    for size in [
        "", "g", "+5", "-5", " 5", "\t5", "\"5\"", "_5", "\u{b}5", ";a", "\u{ff15}",
    ] {
        refused(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")), Reason::ChunkSize);
    }
    for size in [
        "0x5", "5_0", "5h", "5.", "5 5", "5 ", "5\t", "5\0", "5,5", "5\u{b}", "5\"x\"", "5 =a",
    ] {
        refused(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")), Reason::ChunkSize);
    }
}

/// §7.1: "recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing
/// errors due to integer conversion overflows or precision loss".
#[test]
fn s7_1_a_huge_size_does_not_wrap() {
    let unlimited = Limits::new().body_bytes(u64::MAX);
    for size in ["fffffffffffffffff5", "10000000000000005", "ffffffffffffffff"] {
        refused(
            chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")),
            Reason::ContentTooLarge,
        );
        refused_within(
            chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")),
            Reason::ContentTooLarge,
            &unlimited,
        );
    }
    // Two sizes that fit and a sum that does not.
    refused_within(
        chunked("5\r\nhello\r\nfffffffffffffffe\r\nx"),
        Reason::ContentTooLarge,
        &unlimited,
    );
    for size in ["7fffffffffffffff", "100000005", "80000005"] {
        refused(
            chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")),
            Reason::ContentTooLarge,
        );
    }
}

/// §7.1: `chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF`: no other line end (erratum 7633).
#[test]
fn s7_1_lines_and_data_end_with_cr_lf() {
    refused(chunked("5\nhello\r\n0\r\n\r\n"), Reason::BareLf);
    refused(chunked("5\rhello\r\n0\r\n\r\n"), Reason::BareCr);
    refused(chunked("5\r\r\nhello\r\n0\r\n\r\n"), Reason::BareCr);
    refused(chunked("5\r\nhello\n0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("5\r\nhello\r0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("5\r\nhello\r\r\n0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("5\r\nhelloX\r\n0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("5\r\nhell\r\n0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("5\r\nhello0\r\n\r\n"), Reason::ChunkEnd);
    refused(chunked("0\n\n"), Reason::BareLf);
    refused(chunked("0\r\n\n"), Reason::BareLf);
    refused(chunked("0\r\n\rX"), Reason::BareCr);
}

/// §7.1.1: "A recipient MUST ignore unrecognized chunk extensions", by the grammar
/// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`.
#[test]
fn s7_1_1_extensions_are_ignored() {
    for extension in [
        ";a",
        ";a=b",
        " ; a = b",
        "\t;\ta\t=\tb",
        ";a;b;c=d",
        ";a=\"\"",
        ";a=\"b;c\\\"d\\\\\"",
        ";a=\"\u{e4}\t \"",
        ";a=b ;c",
        ";!#$=%&'",
        ";a = \"x\" ; y",
    ] {
        let request = accepted(chunked(&format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n")));
        assert_eq!(request.content, b"hello", "{extension}");
    }
}

/// §7.1.1 again: what the grammar does not have is refused; readers differ on what it would mean.
#[test]
fn s7_1_1_extensions_follow_the_grammar() {
    for extension in [
        ";",
        "; ",
        ";;",
        ";=b",
        ";a=",
        ";a= ",
        ";a=\"b\"c",
        ";a=b c",
        ";a b",
        ";a ",
        ";a=\"\\\u{1}\"",
        ";a\0b",
        ";a=b\0",
        ";a=\"\0\"",
        ";a=\"\u{7f}\"",
        ";@",
        ";a=b=c",
        ";a=[b]",
    ] {
        refused(
            chunked(&format!("5{extension}\r\nhello\r\n0\r\n\r\n")),
            Reason::ChunkExtension,
        );
    }
    refused(chunked("5;a\nhello\r\n0\r\n\r\n"), Reason::BareLf);
    refused(chunked("5;a=\"\nhello\r\n0\r\n\r\n"), Reason::ChunkExtension);
    refused(chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), Reason::BareCr);
    refused(chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"), Reason::ChunkExtension);
}

/// §7.1.1: "A server ought to limit the total length of chunk extensions received in a request to
/// an amount reasonable for the services provided".
#[test]
fn s7_1_1_extensions_have_an_end() {
    let long = format!("5;a={}\r\nhello\r\n0\r\n\r\n", "e".repeat(4000));
    assert_eq!(accepted(chunked(&long)).content, b"hello");
    refused(
        chunked(&format!("5;a={}\r\nhello\r\n0\r\n\r\n", "e".repeat(5000))),
        Reason::ChunkLinesTooLong,
    );
    refused(
        chunked(&format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(10_000))),
        Reason::ChunkLinesTooLong,
    );
    // Short ones with every byte of content add up.
    let flood = format!("1;{}\r\nx\r\n", "e".repeat(100)).repeat(200);
    refused(chunked(&format!("{flood}0\r\n\r\n")), Reason::ChunkLinesTooLong);
    // A signature with every chunk of a long upload does not.
    let signed = format!("2000;chunk-signature={}\r\n{}\r\n", "f".repeat(64), "x".repeat(8192)).repeat(120);
    assert_eq!(
        accepted_within(chunked(&format!("{signed}0\r\n\r\n")), &Limits::default())
            .content
            .len(),
        983_040
    );
}

/// §7.1.1 again, to the byte: each line may take 18 bytes, and all of them together 8 KiB more, and an eighth of the
/// content announced before.
#[test]
fn s7_1_1_the_bytes_for_extensions_are_counted() {
    let line = |size: u8, length: usize| format!("{size};{}\r\n", "e".repeat(length - 4));
    let chunk = |length| line(8, length) + "01234567\r\n";
    // Two lines of 4 KiB leave 36 bytes, and the two chunks add one for every eight.
    let two = chunk(4096).repeat(2);
    let rest = 18 + 36 + 2;
    for (behind, content) in [("", 16), ("8\r\n01234567\r\n", 24)] {
        let last = |length| chunked(&format!("{two}{behind}{}\r\n", line(0, length)));
        assert_eq!(accepted(last(rest + content / 8 - 2)).content.len(), content);
        refused(last(rest + content / 8 - 1), Reason::ChunkLinesTooLong);
    }
    assert_eq!(
        accepted(chunked(&(two.clone() + &chunk(rest) + "0\r\n\r\n")))
            .content
            .len(),
        24
    );
    refused(chunked(&(two + &chunk(rest + 1))), Reason::ChunkLinesTooLong);
}

/// §7.1.1 again: a single line has 4 KiB, wherever it stands.
#[test]
fn s7_1_1_a_line_has_an_end() {
    for before in ["", "1\r\nx\r\n"] {
        let with = |length: usize| {
            let extension = "e".repeat(length - 4);
            chunked(&format!("{before}5;{extension}\r\nhello\r\n0\r\n\r\n"))
        };
        assert!(accepted(with(4096)).content.ends_with(b"hello"));
        refused(with(4097), Reason::ChunkLinesTooLong);
    }
}

/// A line or a trailer section that is too long is refused as soon as its bytes are there, even if it comes in pieces
/// of which each is a small part of it.
#[test]
fn what_is_too_long_is_refused_as_soon_as_it_is() {
    let limits = Limits::new().trailer_bytes(100);
    let line = format!("5;{}", "e".repeat(8192));
    let section = format!("0\r\nX: {}", "v".repeat(8192));
    for (bytes, seen, edge, reason) in [
        (line, 3000, 4096, Reason::ChunkLinesTooLong),
        (section, 80, 103, Reason::TrailersTooLong),
    ] {
        let mut connection = Connection::new(limits.clone());
        let mut head = Head::new();
        assert!(matches!(
            connection.receive(chunked("").as_bytes(), &mut head),
            Ok(Received::Head { .. })
        ));
        for end in [seen, edge - 1] {
            assert_eq!(
                connection.receive(&bytes.as_bytes()[..end], &mut head),
                Ok(Received::Partial)
            );
        }
        let outcome = connection.receive(&bytes.as_bytes()[..edge], &mut head);
        assert_eq!(outcome.map_err(|refusal| refusal.reason()), Err(reason));
    }
}

/// §7.1.2: "A recipient that removes the chunked coding from a message MAY selectively retain or
/// discard the received trailer fields."
#[test]
fn s7_1_2_trailers_are_given_to_the_caller() {
    let request = accepted(chunked("5\r\nhello\r\n0\r\nX-Sum: 1f \r\nx-more:\r\n\r\n"));
    assert_eq!(
        request.trailers,
        [("X-Sum".to_owned(), b"1f".to_vec()), ("x-more".to_owned(), vec![])]
    );
}

/// RFC 9110 §6.5.1: trailers must not be merged into the header section unless the field is known
/// to permit it; those of framing, routing, authentication and content never are.
#[test]
fn s7_1_2_forbidden_trailers_have_no_effect() {
    for line in [
        "Transfer-Encoding: chunked",
        "content-length: 5",
        "HOST: evil.test",
        "Connection: close",
        "Authorization: x",
        "Content-Type: text/evil",
        "Content-Encoding: gzip",
        "Cookie: a=b",
        "Expect: 200-ok",
        "Trailer: X",
        "X-Forwarded-For: 1.1.1.1",
        "Forwarded: for=1.1.1.1",
        "Upgrade: h2c",
        "TE: trailers",
        "Cache-Control: no-store",
    ] {
        let request = accepted(chunked(&format!("5\r\nhello\r\n0\r\n{line}\r\nX: y\r\n\r\n")));
        assert_eq!(request.trailers, [("X".to_owned(), b"y".to_vec())], "{line}");
        assert!(request.keep_alive);
        assert_eq!(request.authority.as_deref(), Some("a.test"));
    }
}

/// §7.1.2: `trailer-section = *( field-line CRLF )`: the rules of field lines hold.
#[test]
fn s7_1_2_trailers_are_field_lines() {
    refused(chunked("0\r\nFoo\r\n\r\n"), Reason::FieldName);
    refused(
        chunked("0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        Reason::SpaceBeforeColon,
    );
    refused(chunked("0\r\nFoo : x\r\n\r\n"), Reason::SpaceBeforeColon);
    refused(chunked("0\r\nFoo: x\r\n y\r\n\r\n"), Reason::LeadingWhitespace);
    refused(chunked("0\r\nFoo: x\0\r\n\r\n"), Reason::FieldValue);
    refused(chunked("0\r\nFoo: x\n\r\n"), Reason::BareLf);
}

#[test]
fn content_and_end_are_where_they_are_said_to_be() {
    let mut connection = Connection::new(Limits::default());
    let mut head = Head::new();
    let bytes = chunked("");
    assert_eq!(
        connection.receive(bytes.as_bytes(), &mut head),
        Ok(Received::Head { len: bytes.len() })
    );
    assert_eq!(
        connection.receive(b"5;x\r\nhello\r", &mut head),
        Ok(Received::Content { start: 5, end: 10 })
    );
    assert_eq!(connection.receive(b"", &mut head), Ok(Received::Partial));
    assert_eq!(connection.receive(b"\r\n3\r\n", &mut head), Ok(Received::Partial));
    assert_eq!(
        connection.receive(b"\r\n3\r\nab", &mut head),
        Ok(Received::Content { start: 5, end: 7 })
    );
    assert_eq!(
        connection.receive(b"c\r\n0\r\n", &mut head),
        Ok(Received::Content { start: 0, end: 1 })
    );
    assert_eq!(
        connection.receive(b"\r\n0\r\nA: b\r\n", &mut head),
        Ok(Received::Partial)
    );
    let end = Received::End {
        len: 13,
        trailers: Span { start: 5, end: 11 },
    };
    assert_eq!(connection.receive(b"\r\n0\r\nA: b\r\n\r\nGET", &mut head), Ok(end));
}

#[test]
fn content_is_handed_out_as_soon_as_it_is_there() {
    for line in 1..40 {
        let body = format!("5;{}\r\nh", "e".repeat(line));
        let mut connection = Connection::new(Limits::default());
        let mut head = Head::new();
        let bytes = chunked("");
        assert!(matches!(
            connection.receive(bytes.as_bytes(), &mut head),
            Ok(Received::Head { .. })
        ));
        for end in 1..body.len() {
            assert_eq!(
                connection.receive(&body.as_bytes()[..end], &mut head),
                Ok(Received::Partial)
            );
        }
        let content = Received::Content {
            start: body.len() - 1,
            end: body.len(),
        };
        assert_eq!(connection.receive(body.as_bytes(), &mut head), Ok(content), "{body}");
    }
}
