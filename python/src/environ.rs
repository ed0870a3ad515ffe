//! The environ of a request: a copy of a template, and what differs from it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use hansel::{Request, Version};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// So many spellings of header names are remembered. Clients choose them.
const REMEMBERED: usize = 1024;

/// So many header sections are remembered, with the environ that came of them: a client repeats its own.
const SECTIONS: usize = 256;
/// Longer ones are not.
const SECTION_BYTES: usize = 4096;

pub(crate) struct Environ {
    template: Py<PyDict>,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    keys: HashMap<Box<str>, Option<Py<PyString>>>,
    sections: Vec<Option<Section>>,
    address: Option<(IpAddr, Py<PyString>)>,
}

/// A header section, and the environ of a request with nothing else.
struct Section {
    octets: Box<[u8]>,
    environ: Py<PyDict>,
}

impl Environ {
    pub(crate) fn new(template: Py<PyDict>) -> Environ {
        Environ {
            template,
            remembered: Mutex::new(Remembered {
                sections: (0..SECTIONS).map(|_| None).collect(),
                ..Remembered::default()
            }),
        }
    }

    pub(crate) fn of<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyDict>> {
        // Copying and setting may run a finalizer, which may let another thread run: it must not wait for this one.
        let mut remembered = self.remembered.try_lock().ok();
        let remembered = remembered.as_deref_mut();
        let (environ, remembered) = self.with_headers(py, request, remembered)?;
        let method = request.method().as_str();
        if method != "GET" {
            environ.set_item(intern!(py, "REQUEST_METHOD"), method)?;
        }
        if request.path() != "/" {
            environ.set_item(intern!(py, "PATH_INFO"), latin1(py, &request.path_octets()))?;
        }
        if request.target() != "/" {
            environ.set_item(intern!(py, "REQUEST_URI"), request.target())?;
        }
        if let Some(query) = request.query().filter(|query| !query.is_empty()) {
            environ.set_item(intern!(py, "QUERY_STRING"), latin1(py, query.as_bytes()))?;
        }
        if request.version() == Version::HTTP_10 {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        if request.scheme() == "https" {
            environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
        }
        if let Some(client) = request.client() {
            let text = client_address(py, client, remembered);
            environ.set_item(intern!(py, "REMOTE_ADDR"), text)?;
        }
        if let Some(peer) = request.peer() {
            environ.set_item(intern!(py, "REMOTE_PORT"), peer.port().to_string())?;
        }
        Ok(environ)
    }

    /// Returns a copy of the template with the headers.
    fn with_headers<'py, 'r>(
        &self,
        py: Python<'py>,
        request: &Request,
        remembered: Option<&'r mut Remembered>,
    ) -> PyResult<(Bound<'py, PyDict>, Option<&'r mut Remembered>)> {
        let section = request.header_section();
        let Some(remembered) = remembered.filter(|_| section.len() <= SECTION_BYTES) else {
            return Ok((self.of_headers(py, request, None)?, None));
        };
        let place = place_of(section);
        let known = remembered.sections.get(place).and_then(Option::as_ref);
        if let Some(known) = known.filter(|known| *known.octets == *section) {
            return Ok((known.environ.bind(py).copy()?, Some(remembered)));
        }
        let environ = self.of_headers(py, request, Some(remembered))?;
        let kept = Section {
            octets: section.into(),
            environ: environ.copy()?.unbind(),
        };
        if let Some(slot) = remembered.sections.get_mut(place) {
            *slot = Some(kept);
        }
        Ok((environ, Some(remembered)))
    }

    fn of_headers<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
        mut remembered: Option<&mut Remembered>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.template.bind(py).copy()?;
        for (name, value) in request.headers() {
            let Some(key) = key_of(py, name, remembered.as_deref_mut()) else {
                continue;
            };
            let text = latin1(py, value);
            // Only a repeated field is there already: the template has none.
            match environ.get_item(&key)? {
                None => environ.set_item(key, text)?,
                Some(first) => {
                    // RFC 9110 §5.3; RFC 6265 §5.4 for the exception.
                    let between = if name.eq_ignore_ascii_case("cookie") {
                        "; "
                    } else {
                        ", "
                    };
                    environ.set_item(key, format!("{first}{between}{text}"))?;
                }
            }
        }
        Ok(environ)
    }
}

/// Returns where a header section is remembered. Who makes two of them meet has one of them parsed again, and nothing else.
fn place_of(section: &[u8]) -> usize {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mut hash = section.len() as u64;
    let mut rest = section;
    while let Some((word, left)) = rest.split_first_chunk::<8>() {
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        rest = left;
    }
    for octet in rest {
        hash = (hash.rotate_left(5) ^ u64::from(*octet)).wrapping_mul(FACTOR);
    }
    (hash >> 56) as usize % SECTIONS
}

fn client_address<'py>(py: Python<'py>, client: IpAddr, remembered: Option<&mut Remembered>) -> Bound<'py, PyString> {
    let new = || PyString::new(py, &client.to_canonical().to_string());
    let Some(remembered) = remembered else {
        return new();
    };
    match &remembered.address {
        Some((known, text)) if *known == client => text.bind(py).clone(),
        _ => {
            let text = new();
            remembered.address = Some((client, text.clone().unbind()));
            text
        }
    }
}

/// Returns the key of a field, or `None` for a field that is not passed on.
fn key_of<'py>(py: Python<'py>, name: &str, remembered: Option<&mut Remembered>) -> Option<Bound<'py, PyString>> {
    if let Some(known) = remembered.as_ref().and_then(|remembered| remembered.keys.get(name)) {
        return known.as_ref().map(|key| key.bind(py).clone());
    }
    let key = environ_name(name).map(|key| PyString::intern(py, &key));
    if let Some(remembered) = remembered.filter(|remembered| remembered.keys.len() < REMEMBERED) {
        let kept = key.clone().map(Bound::unbind);
        remembered.keys.insert(name.into(), kept);
    }
    key
}

/// `X_Y` and `X-Y` would be one key, so the first is dropped; `Proxy` would become `HTTP_PROXY`, which programs believe to
/// be their own setting (CVE-2016-5385).
fn environ_name(name: &str) -> Option<String> {
    if name.contains('_') || name.eq_ignore_ascii_case("proxy") {
        return None;
    }
    let upper = name.to_ascii_uppercase().replace('-', "_");
    Some(match upper.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => upper,
        _ => format!("HTTP_{upper}"),
    })
}

/// PEP 3333: a native string whose characters are the octets.
fn latin1<'py>(py: Python<'py>, octets: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &octets.iter().map(|&octet| char::from(octet)).collect::<String>()),
    }
}
