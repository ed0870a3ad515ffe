//! Heads one after the other, each slightly different from the last: what a `Head` remembers of earlier ones changes
//! nothing.
#![no_main]

use hansel_proto::{Connection, Framing, Head, Limits, Received, Refusal, TargetForm, Version};
use libfuzzer_sys::fuzz_target;

/// The most heads after the first. The input begins with their number, and with one change for each from the head
/// before: the place in two bytes, and the byte. The first head follows.
const MOST: usize = 8;

fuzz_target!(|input: &[u8]| {
    let Some((head, mut edits)) = edits(input) else { return };
    let mut bytes = head.to_vec();
    let mut kept = Head::new();
    for _ in 0..=MOST {
        assert_eq!(seen(&bytes, &mut kept), seen(&bytes, &mut Head::new()));
        let Some((&[high, low, byte], rest)) = edits.split_first_chunk() else {
            break;
        };
        edits = rest;
        let place = usize::from(u16::from_be_bytes([high, low]));
        if let Some(at) = bytes.get_mut(place) {
            *at = byte;
        }
    }
});

/// Returns the head, and the changes in it.
fn edits(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = input.split_first()?;
    let (edits, head) = rest.split_at_checked(3 * (usize::from(count) % (MOST + 1)))?;
    Some((head, edits))
}

/// Everything that can be read from a parsed head.
#[derive(Debug, PartialEq)]
struct Seen<'b> {
    len: usize,
    method: &'b str,
    target: &'b str,
    form: TargetForm,
    authority: Option<&'b str>,
    path: &'b str,
    path_has_escapes: bool,
    query: Option<&'b str>,
    version: Version,
    fields: Vec<(&'b str, &'b [u8])>,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

fn seen<'b>(bytes: &'b [u8], head: &'b mut Head) -> Result<Option<Seen<'b>>, Refusal> {
    let mut connection = Connection::new(Limits::default());
    let Received::Head { len } = connection.receive(bytes, head)? else {
        return Ok(None);
    };
    Ok(Some(Seen {
        len,
        method: head.method(bytes),
        target: head.target(bytes),
        form: head.target_form(),
        authority: head.authority(bytes),
        path: head.path(bytes),
        path_has_escapes: head.path_has_escapes(),
        query: head.query(bytes),
        version: head.version(),
        fields: head.fields(bytes).map(|field| (field.0, field.1)).collect(),
        framing: head.framing(),
        keep_alive: head.keep_alive(),
        expects_continue: head.expects_continue(),
    }))
}
