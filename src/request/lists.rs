//! Fields that are lists: RFC 9110 §5.3 and §5.6.1.

use super::Request;

/// Returns the values of all field lines with that name, in order.
pub(super) fn lines<'r, 'n>(request: &'r Request, name: &'n str) -> impl Iterator<Item = &'r [u8]> + use<'r, 'n> {
    let lines = request
        .headers()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value)
}

/// Returns the elements of the list that all field lines with that name form, in order.
pub(crate) fn elements<'r>(request: &'r Request, name: &'static str) -> impl Iterator<Item = &'r [u8]> {
    lines(request, name).flat_map(elements_of)
}

/// Returns the last element of the last field line with that name: a proxy adds its own there.
pub(super) fn last_element<'r>(request: &'r Request, name: &'static str) -> Option<&'r [u8]> {
    elements_of(lines(request, name).last()?).last()
}

/// Returns the elements of one field line.
fn elements_of(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let elements = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    // RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements". The limits of
    // a head are reasonable.
    elements.filter(|element| {
        #[cfg(test)]
        super::steps::count(element.len() + 1);
        !element.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_list_and_empty_elements_are_none() {
        for (lines, expected) in [
            (&["a,b"][..], &["a", "b"][..]),
            (&["a", "b , c"], &["a", "b", "c"]),
            (&["", " , ,a,,\t,b, ", ",", "c"], &["a", "b", "c"]),
            (&["", ",,"], &[]),
            (&[], &[]),
        ] {
            let mut request = Request::get("/");
            for (number, line) in lines.iter().enumerate() {
                request = request.with_header(["X-List", "x-list"][number % 2], line);
            }
            let found: Vec<_> = elements(&request, "x-list").collect();
            assert!(
                found
                    .iter()
                    .eq(expected.iter().map(|text| text.as_bytes()).collect::<Vec<_>>().iter()),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn the_last_element_is_that_of_the_last_line_or_none() {
        let last = |lines: &[&str]| {
            let request = lines
                .iter()
                .fold(Request::get("/"), |request, line| request.with_header("X-Id", line));
            last_element(&request, "x-id").map(|element| String::from_utf8(element.to_vec()).unwrap())
        };
        assert_eq!(last(&[]), None);
        assert_eq!(last(&["a"]).as_deref(), Some("a"));
        assert_eq!(last(&["a, b"]).as_deref(), Some("b"));
        assert_eq!(last(&["a, b,"]).as_deref(), Some("b"));
        assert_eq!(last(&["a", "b"]).as_deref(), Some("b"));
        assert_eq!(
            last(&["a", ""]),
            None,
            "who has nothing to say does not say what others have said"
        );
    }
}
