//! The choice among several handlers at one path, by method.

use http::Method;

use super::{MethodSet, Miss, Reply, Walk};

/// The rank of a handler that does not take the method. It is still asked, after all others, because its methods belong
/// in `Allow`.
const UNSUITED: usize = 3;

/// Returns how well a handler for `methods` suits a method; the lowest rank is best.
fn rank(methods: &MethodSet, method: &Method) -> usize {
    match methods {
        methods if methods.is_any() => 2,
        methods if methods.contains(method) => 0,
        // HEAD, which a handler for GET takes.
        methods if methods.allows(method) => 1,
        _ => UNSUITED,
    }
}

/// Asks handlers that share a path, the most suitable first, and merges their misses.
pub(super) fn best<'t, 'r, T>(
    all: impl Iterator<Item = T> + Clone,
    methods: impl Fn(&T) -> &'t MethodSet,
    walk: &mut Walk<'r>,
    mut ask: impl FnMut(T, &mut Walk<'r>) -> Reply,
) -> Reply {
    let method = walk.method();
    let mut missed = Miss::NotFound;
    for suited in 0..=UNSUITED {
        for one in all.clone().filter(|one| rank(methods(one), method) == suited) {
            match ask(one, walk) {
                Ok(arrived) => return Ok(arrived),
                Err(miss) => missed = missed.merge(miss),
            }
        }
    }
    Err(missed)
}
