//! Which peers are trusted to say where a request came from.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::start_error::start_error;

/// The peers that are trusted to say who the client is: your own proxies.
///
/// A client can write anything into its request. So a field that names the client counts only if one of these peers sent
/// it, and only one kind of field counts: a proxy sets or extends the kind that it knows, and passes the other kind on as
/// the client wrote it.
///
/// ```no_run
/// use hansel::{Server, Trust};
///
/// # fn main() -> hansel::Result {
/// let proxies = Trust::peers(["127.0.0.1", "10.1.0.0/16", "fd00::/8"])?;
/// Server::bind("127.0.0.1:8080")?.trust(proxies).serve(|request: &hansel::Request| {
///     format!("You are {:?}", request.client())
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Who is vouched for
///
/// | The connection | A field of the chosen kind | [`client`](crate::Request::client) | [`scheme`](crate::Request::scheme), [`id`](crate::Request::id) |
/// |---|---|---|---|
/// | is a stranger's | any | the peer | this server's own |
/// | is a trusted peer's | names addresses | the last one that is not trusted, or the first where all are | the peer's, if it says |
/// | | has no address there: `unknown`, hidden, malformed, empty | none | the peer's, if it says |
/// | | is not there: the peer asks for itself, such as a health check | the peer | the peer's, if it says |
/// | is by [PROXY](crate::Server::proxy_protocol) for a stranger | any | that stranger | this server's own |
/// | is by PROXY for a trusted address | as above | as if that address had connected | as above |
/// | is by PROXY for nobody known: `UNKNOWN`, `LOCAL`, unspecified, a Unix socket's client | any | none | this server's own |
///
/// Each field counts by itself: `X-Forwarded-Proto` also where `X-Forwarded-For` is missing or malformed, and the other
/// way round. Where a field is a list, the element counts that the proxy has added which the client came by: the
/// addresses tell how many proxies came after it. Several lines of one field are one list, and empty elements are none
/// (RFC 9110 §5.6.1). A scheme or host that a proxy writes anew is a list of one. So a proxy that you trust must set or
/// remove each field that counts: one that passes on a client's `X-Forwarded-Proto` vouches for it.
///
/// Of `X-Request-Id` the last one counts, which is the peer's own. [`Request::host`](crate::Request::host) is as it was
/// sent, unless you say [`forwarded_host`](Trust::forwarded_host).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    networks: Vec<Network>,
    unix_sockets: bool,
    pub(super) takes_host: bool,
    pub(super) fields: Fields,
}

/// The fields in which proxies name their client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    Customary,
    /// `Forwarded` (RFC 7239).
    Standard,
}

impl Trust {
    /// Trusts the `X-Forwarded-For` and `X-Forwarded-Proto` of these peers. Nearly every proxy sends these fields.
    ///
    /// A peer is an address (`127.0.0.1`, `::1`), a network (`10.0.0.0/8`), or `unix`, which is every client of this server's
    /// Unix sockets.
    ///
    /// # Errors
    /// If a text is none of these; the error names it.
    pub fn peers<'p>(peers: impl IntoIterator<Item = &'p str>) -> io::Result<Trust> {
        let mut trust = Trust {
            networks: Vec::new(),
            unix_sockets: false,
            takes_host: false,
            fields: Fields::Customary,
        };
        for peer in peers {
            if peer == "unix" {
                trust.unix_sockets = true;
            } else {
                let network = peer.parse::<Network>();
                trust.networks.push(network.map_err(|reason| {
                    start_error(io::ErrorKind::InvalidInput, format!("can't trust {peer:?}: {reason}"))
                })?);
            }
        }
        Ok(trust)
    }

    /// Trusts the field `Forwarded` (RFC 7239) instead.
    #[must_use]
    pub fn forwarded(mut self) -> Trust {
        self.fields = Fields::Standard;
        self
    }

    /// Trusts these peers for the host as well: [`Request::host`](crate::Request::host) returns the value of
    /// `X-Forwarded-Host`, or of `host` in `Forwarded`, if it is a valid host.
    ///
    /// Use it only with proxies that set this field: many set the other fields and pass this one on as the client wrote it.
    ///
    /// ```
    /// # fn main() -> hansel::Result {
    /// let trust = hansel::Trust::peers(["10.1.0.0/16"])?.forwarded_host();
    /// assert_eq!(trust.to_string(), "X-Forwarded-For and X-Forwarded-Host by 10.1.0.0/16");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn forwarded_host(mut self) -> Trust {
        self.takes_host = true;
        self
    }

    /// Returns true if a connection from `peer` is trusted; a peer without an address is on a Unix socket.
    pub(crate) fn admits_peer(&self, peer: Option<SocketAddr>) -> bool {
        peer.map_or(self.unix_sockets, |peer| self.admits(peer.ip()))
    }

    pub(super) fn admits(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.fields, self.takes_host) {
            (Fields::Customary, false) => "X-Forwarded-For by",
            (Fields::Customary, true) => "X-Forwarded-For and X-Forwarded-Host by",
            (Fields::Standard, false) => "Forwarded by",
            (Fields::Standard, true) => "Forwarded, with its host, by",
        })?;
        for network in &self.networks {
            write!(f, " {}/{}", network.address, network.prefix)?;
        }
        f.write_str(if self.unix_sockets { " unix" } else { "" })
    }
}

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        // A listener for both families sees IPv4 peers as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && first_bits(address, self.prefix) == bits(self.address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| "not an address, a network such as 10.1.0.0/16, or `unix`".to_owned())?;
        if address.to_canonical() != address {
            return Err("write this IPv4-mapped address as an IPv4 address".to_owned());
        }
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), |prefix| {
            let number = prefix.parse().ok().filter(|number| *number <= width);
            number.ok_or_else(|| format!("a prefix has 0 to {width} bits, not {prefix:?}"))
        })?;
        if first_bits(address, prefix) != bits(address) {
            return Err(format!(
                "the address has bits set beyond the first {prefix}; write the first address of the network"
            ));
        }
        Ok(Network { address, prefix })
    }
}

/// Returns the bits of an address, the first one on the left.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn first_bits(address: IpAddr, count: u32) -> u128 {
    // A shift by all 128 bits is undefined; the result then has no bits.
    bits(address) & u128::MAX.checked_shl(128 - count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(peers: &[&str], address: &str) -> bool {
        Trust::peers(peers.iter().copied())
            .unwrap()
            .admits(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_first_bits() {
        assert!(admits(&["10.0.0.0/8"], "10.255.0.1"));
        assert!(!admits(&["10.0.0.0/8"], "11.0.0.0"));
        assert!(admits(&["192.168.4.0/22"], "192.168.7.255"));
        assert!(!admits(&["192.168.4.0/22"], "192.168.8.0"));
        assert!(admits(&["127.0.0.1"], "127.0.0.1"));
        assert!(!admits(&["127.0.0.1"], "127.0.0.2"));
        assert!(admits(&["0.0.0.0/0"], "8.8.8.8"));
        assert!(admits(&["fd00::/8"], "fdff::1"));
        assert!(!admits(&["fd00::/8"], "fe00::1"));
        assert!(admits(&["::/0"], "2001:db8::1"));
        assert!(admits(&["10.0.0.0/8", "::1"], "::1"));
        assert!(!admits(&[], "127.0.0.1"));
    }

    #[test]
    fn families_are_kept_apart_and_mapped_addresses_are_the_ones_they_stand_for() {
        assert!(!admits(&["0.0.0.0/0"], "::1"));
        assert!(!admits(&["::/0"], "10.0.0.1"));
        assert!(admits(&["10.0.0.0/8"], "::ffff:10.0.0.1"));
        assert!(!admits(&["::/0"], "::ffff:10.0.0.1"));
    }

    #[test]
    fn a_peer_without_an_address_is_trusted_by_its_own_word_only() {
        assert!(Trust::peers(["unix"]).unwrap().admits_peer(None));
        assert!(!Trust::peers(["0.0.0.0/0", "::/0"]).unwrap().admits_peer(None));
        assert!(!Trust::peers(["unix"]).unwrap().admits("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (text, reason) in [
            ("localhost", "not an address"),
            ("", "not an address"),
            ("10.0.0.0/33", "0 to 32 bits"),
            ("::/129", "0 to 128 bits"),
            ("10.0.0.0/", "0 to 32 bits"),
            ("10.0.0.0/-1", "0 to 32 bits"),
            ("10.0.0.1/8", "beyond the first 8"),
            (" 10.0.0.0/8", "not an address"),
            ("::ffff:10.0.0.0/104", "write this IPv4-mapped address"),
        ] {
            let error = Trust::peers(["127.0.0.1", text]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains(reason),
                "{error}"
            );
        }
    }

    #[test]
    fn it_is_printed_as_it_was_given() {
        let trust = Trust::peers(["10.0.0.0/8", "::1", "unix"]).unwrap();
        assert_eq!(trust.to_string(), "X-Forwarded-For by 10.0.0.0/8 ::1/128 unix");
        let trust = trust.forwarded();
        assert!(trust.to_string().starts_with("Forwarded by"));
        let trust = trust.forwarded_host();
        assert!(trust.to_string().starts_with("Forwarded, with its host, by"));
    }
}
