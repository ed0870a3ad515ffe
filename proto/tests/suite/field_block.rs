//! Outgoing fields: what gets in, and what does not.

use hansel_proto::{FieldBlock, FieldRule};

fn pairs(block: &FieldBlock) -> Vec<(&str, &[u8])> {
    block.iter().collect()
}

#[track_caller]
fn refused(name: &str, value: &[u8], rule: FieldRule) {
    let mut block = FieldBlock::new();
    block.append("X", b"1").expect("a good field");
    let before = block.clone();
    for result in [block.append(name, value), block.set(name, value)] {
        let invalid = result.expect_err("must be refused");
        assert_eq!((invalid.name(), invalid.rule()), (name, rule));
        assert!(invalid.to_string().contains(&format!("{name:?}")), "{invalid}");
        assert!(invalid.to_string().contains("(RFC "), "{invalid}");
    }
    assert_eq!(block, before, "as before");
}

#[test]
fn fields_keep_their_order_and_spelling() {
    let mut block = FieldBlock::new();
    assert!(block.is_empty());
    block.append("B", b"1").unwrap();
    block.append("a", b" 2 \t").unwrap();
    block.append("b", b"").unwrap();
    block.append("C", b"x:y, z\xff\t.").unwrap();
    let wanted: [(&str, &[u8]); 4] = [("B", b"1"), ("a", b"2"), ("b", b""), ("C", b"x:y, z\xff\t.")];
    assert_eq!(pairs(&block), wanted);
    assert_eq!(block.first("b"), Some(&b"1"[..]));
    assert_eq!(block.first("A"), Some(&b"2"[..]));
    assert!(block.contains("c") && !block.contains("d"));
    assert_eq!((&block).into_iter().count(), 4);
}

#[test]
fn set_replaces_every_field_of_the_name() {
    let mut block = FieldBlock::new();
    for (name, value) in [("A", b"1"), ("b", b"2"), ("a", b"3")] {
        block.append(name, value).unwrap();
    }
    block.set("A", b"4").unwrap();
    let wanted: [(&str, &[u8]); 2] = [("b", b"2"), ("A", b"4")];
    assert_eq!(pairs(&block), wanted);
    assert!(block.remove("B") && !block.remove("B"));
    assert_eq!(pairs(&block), [("A", &b"4"[..])]);
    block.clear();
    assert!(block.is_empty() && block.iter().next().is_none());
}

#[test]
fn a_field_is_found_whatever_else_there_is() {
    for name in ["X", "x-y", "Set-Cookie", &"long".repeat(250)] {
        let mut block = FieldBlock::new();
        assert!(!block.contains(name) && !block.remove(name), "{name}");
        for others in 0..3 {
            block.clear();
            for other in ["B", "Date"].iter().take(others) {
                block.append(other, b"1").unwrap();
            }
            assert!(!block.contains(name) && !block.remove(name), "{name}");
            block.append(name, b"2").unwrap();
            assert_eq!(block.first(&name.to_ascii_uppercase()), Some(&b"2"[..]));
            assert_eq!(pairs(&block).len(), others + 1);
            assert!(
                block.remove(&name.to_ascii_uppercase()) && !block.contains(name),
                "{name}"
            );
            assert_eq!(pairs(&block).len(), others);
        }
    }
}

/// RFC 9110 §5.5: "A field value does not include leading or trailing whitespace": SP and HTAB, on either side.
#[test]
fn s5_5_whitespace_round_a_value_is_not_part_of_it() {
    for value in [
        "a b",
        " a b",
        "\ta b",
        "a b ",
        "a b\t",
        " \ta b\t ",
        "\t\ta b",
        "a b\t\t",
    ] {
        let mut block = FieldBlock::new();
        block.append("X", value.as_bytes()).unwrap();
        assert_eq!(block.first("X"), Some(&b"a b"[..]), "{value:?}");
    }
    for value in ["", " ", "\t", " \t "] {
        let mut block = FieldBlock::new();
        block.append("X", value.as_bytes()).unwrap();
        assert_eq!(block.first("X"), Some(&b""[..]), "{value:?}");
    }
}

/// RFC 9110 §5.1: `field-name = token`.
#[test]
fn s5_1_a_name_is_a_token() {
    for name in ["", "a b", "a:", "a\r\nb", "a\0", "\u{fc}", "a/b", " a", "(a)", "a\n"] {
        refused(name, b"x", FieldRule::Name);
    }
}

/// RFC 9110 §5.5: no control gets out; CR, LF and NUL least of all.
#[test]
fn s5_5_a_value_holds_no_control() {
    for byte in (0..0x20u8).filter(|&byte| byte != b'\t').chain([0x7f]) {
        refused("X-A", &[b'a', byte, b'b'], FieldRule::Value);
        refused("X-A", &[byte], FieldRule::Value);
        refused("X-A", &[b'a', byte], FieldRule::Value);
    }
    refused("X-A", b"a\r\nSet-Cookie: b=c", FieldRule::Value);
}

#[test]
fn framing_is_not_the_applications() {
    for name in [
        "Transfer-Encoding",
        "transfer-encoding",
        "Keep-Alive",
        "Trailer",
        "Proxy-Connection",
    ] {
        refused(name, b"chunked", FieldRule::Framing);
    }
}

#[test]
fn a_length_is_one_number() {
    for value in [
        "",
        "x",
        "-1",
        "+1",
        "1 2",
        "1,1",
        "0x1",
        "99999999999999999999",
        "1\u{b2}",
    ] {
        refused("Content-Length", value.as_bytes(), FieldRule::Length);
    }
    let mut block = FieldBlock::new();
    block.append("content-length", b"1").unwrap();
    let again = block.append("Content-Length", b"1").expect_err("one is enough");
    assert_eq!(again.rule(), FieldRule::OneLength);
    block.set("Content-Length", b"2").unwrap();
    assert_eq!(pairs(&block), [("Content-Length", &b"2"[..])]);
    assert!(block.remove("content-length"));
    block.append("Content-Length", b"3").unwrap();
}

#[test]
fn close_is_the_only_option() {
    for value in ["upgrade", "close, x", "content-length", "\"close\"", "te"] {
        refused("Connection", value.as_bytes(), FieldRule::Connection);
    }
}
