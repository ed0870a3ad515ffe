//! The request target: where it ends, and which of the four forms it has.

use crate::host;
use crate::refusal::{Reason, Refusal};
use crate::scan::{self, HEX, PATH, QUERY};
use crate::span::Span;

/// The four forms of a request target (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9112 §3.2 defines four forms")]
pub enum TargetForm {
    /// `/where?q=now`: a path and perhaps a query. Nearly all requests have this form.
    #[default]
    Origin,
    /// `http://www.example.org/pub`: as sent to a proxy. Every server must accept it.
    Absolute,
    /// `www.example.com:80`: only with `CONNECT`, and always with a port.
    Authority,
    /// `*`: only with `OPTIONS`; it means the server as a whole.
    Asterisk,
}

/// A parsed request target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    pub(crate) whole: Span,
    pub(crate) form: TargetForm,
    pub(crate) scheme: Span,
    pub(crate) authority: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    pub(crate) path_has_escapes: bool,
}

pub(crate) fn too_long(limit: usize) -> Refusal {
    Refusal::limit(Reason::TargetTooLong, limit as u64)
}

/// Returns where a run of `classes` and well-formed escapes ends, and whether it has escapes; `None` if the bytes end
/// inside an escape.
#[inline(always)]
fn escaped_run(bytes: &[u8], start: usize, classes: u8) -> Result<Option<(usize, bool)>, Refusal> {
    let mut end = scan::run(bytes, start, classes);
    let mut escapes = false;
    while bytes.get(end) == Some(&b'%') {
        escapes = true;
        for digit in [end + 1, end + 2] {
            match bytes.get(digit) {
                None => return Ok(None),
                Some(&byte) if scan::is(byte, HEX) => {}
                Some(&byte) => return Err(Refusal::byte(Reason::TargetEscape, byte)),
            }
        }
        end = scan::run(bytes, end + 3, classes);
    }
    Ok(Some((end, escapes)))
}

/// Returns true if the target ends here with a single space, and `false` if more bytes are needed to decide.
#[inline(always)]
fn ends(bytes: &[u8], end: usize) -> Result<bool, Refusal> {
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b' '), _) => Ok(true),
        (None, _) | (Some(b'\r'), None) => Ok(false),
        // A line without a version is a complete HTTP/0.9 request.
        (Some(b'\r'), Some(b'\n')) => Err(Refusal::new(Reason::MissingVersion)),
        (Some(b'\r'), Some(_)) => Err(Refusal::new(Reason::BareCr)),
        (Some(b'\n'), _) => Err(Refusal::new(Reason::BareLf)),
        (Some(&byte), _) => Err(Refusal::byte(Reason::Target, byte)),
    }
}

impl Target {
    /// Reads the target that begins at `start`, as far as its bytes alone decide. Returns true if the bytes reach its
    /// end. The method decides which form is allowed: see [`settle`](Target::settle).
    #[inline(always)]
    pub(crate) fn scan(&mut self, bytes: &[u8], start: usize, limit: usize) -> Result<bool, Refusal> {
        let most = start.saturating_add(limit).saturating_add(1);
        let within = bytes.get(..most).unwrap_or(bytes);
        let is_whole = if within.get(start) == Some(&b'/') {
            self.scan_origin(within, start)?
        } else {
            self.scan_other(within, start)?
        };
        if !is_whole && bytes.len() >= most {
            return Err(too_long(limit));
        }
        Ok(is_whole)
    }

    /// RFC 9112 §3.2.1: `origin-form = absolute-path [ "?" query ]`.
    #[inline(always)]
    fn scan_origin(&mut self, bytes: &[u8], start: usize) -> Result<bool, Refusal> {
        let Some((path_end, path_has_escapes)) = escaped_run(bytes, start, PATH)? else {
            return Ok(false);
        };
        let mut end = path_end;
        self.query = None;
        if bytes.get(path_end) == Some(&b'?') {
            let query_start = path_end + 1;
            let Some((query_end, _)) = escaped_run(bytes, query_start, QUERY)? else {
                return Ok(false);
            };
            self.query = Some(Span::new(query_start, query_end));
            end = query_end;
        }
        self.whole = Span::new(start, end);
        self.form = TargetForm::Origin;
        self.path = Span::new(start, path_end);
        self.path_has_escapes = path_has_escapes;
        ends(bytes, end)
    }

    /// Reads any other form. Only the method can tell these apart, so only the characters are checked here.
    #[cold]
    fn scan_other(&mut self, bytes: &[u8], start: usize) -> Result<bool, Refusal> {
        let Some((end, _)) = escaped_run(bytes, start, PATH | QUERY)? else {
            return Ok(false);
        };
        if !ends(bytes, end)? {
            return Ok(false);
        }
        if end == start {
            return Err(Refusal::byte(Reason::Target, b' '));
        }
        // Treated as an authority until `settle`, because no other form can be mistaken for one.
        *self = Target {
            whole: Span::new(start, end),
            form: TargetForm::Authority,
            ..Target::default()
        };
        Ok(true)
    }

    /// Decides the form from the method, and checks the parts of it.
    #[inline(always)]
    pub(crate) fn settle(&mut self, bytes: &[u8], method: &[u8]) -> Result<(), Refusal> {
        // RFC 9112 §3.2.3: authority-form "is only used for CONNECT requests".
        if method == b"CONNECT" {
            return self.settle_authority(bytes);
        }
        match self.form {
            TargetForm::Origin => Ok(()),
            _ => self.settle_other(bytes, method),
        }
    }

    fn settle_authority(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.form == TargetForm::Origin || self.whole.of(bytes) == b"*" {
            return Err(Refusal::new(Reason::TargetForm));
        }
        // RFC 9110 §9.3.6: "A server MUST reject a CONNECT request that targets an empty or
        // invalid port number, typically by responding with a 400 (Bad Request) status code."
        match host::authority(self.whole.of(bytes)) {
            Some(authority) if authority.has_host && authority.port.is_some_and(|port| port > 0) => {
                self.authority = self.whole;
                Ok(())
            }
            _ => Err(Refusal::new(Reason::TargetAuthority)),
        }
    }

    fn settle_other(&mut self, bytes: &[u8], method: &[u8]) -> Result<(), Refusal> {
        let whole = self.whole.of(bytes);
        if whole == b"*" {
            // RFC 9112 §3.2.4: asterisk-form "is only used for a server-wide OPTIONS request".
            if method != b"OPTIONS" {
                return Err(Refusal::new(Reason::TargetForm));
            }
            self.form = TargetForm::Asterisk;
            self.path = self.whole;
            return Ok(());
        }
        let Some(scheme) = whole.windows(3).position(|three| three == b"://") else {
            return Err(Refusal::new(Reason::TargetForm));
        };
        if !scan::is_word(&whole[..scheme], b"http") && !scan::is_word(&whole[..scheme], b"https") {
            return Err(Refusal::new(Reason::TargetScheme));
        }
        self.settle_absolute(bytes, scheme)
    }

    /// RFC 9112 §3.2.2: `absolute-form = absolute-URI`, here of http or https (RFC 9110 §4.2).
    fn settle_absolute(&mut self, bytes: &[u8], scheme: usize) -> Result<(), Refusal> {
        let start = self.whole.start as usize;
        let end = self.whole.end as usize;
        let part_end = |from: usize, ends: &[u8]| {
            let part = bytes[from..end].iter().position(|byte| ends.contains(byte));
            part.map_or(end, |length| from + length)
        };
        let authority_start = start + scheme + 3;
        let authority_end = part_end(authority_start, b"/?");
        let path_end = part_end(authority_end, b"?");
        self.form = TargetForm::Absolute;
        self.scheme = Span::new(start, start + scheme);
        self.authority = Span::new(authority_start, authority_end);
        self.path = Span::new(authority_end, path_end);
        self.query = (path_end < end).then(|| Span::new(path_end + 1, end));

        let authority = self.authority.of(bytes);
        // RFC 9110 §4.2.4: "a recipient SHOULD parse for userinfo and treat its presence as an
        // error; it is likely being used to obscure the authority".
        if authority.contains(&b'@') {
            return Err(Refusal::new(Reason::TargetUserInfo));
        }
        // RFC 9110 §4.2.1: "A recipient that processes such a URI reference [with an empty host
        // identifier] MUST reject it as invalid."
        if !host::authority(authority).is_some_and(|authority| authority.has_host) {
            return Err(Refusal::new(Reason::TargetAuthority));
        }
        let path = self.path.of(bytes);
        if let Some(&byte) = path.iter().find(|&&byte| byte != b'%' && !scan::is(byte, PATH)) {
            return Err(Refusal::byte(Reason::Target, byte));
        }
        self.path_has_escapes = path.contains(&b'%');
        Ok(())
    }
}
