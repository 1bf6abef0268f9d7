//! What a client offers in `Sec-WebSocket-Extensions` (RFC 6455, section 9.1; RFC 7692, section 7.1).

/// What a server answers that takes an offer: nothing is remembered from one message to the next, on either side.
pub const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Whether one of the offers in the header's values is permessage-deflate in a way that [`ACCEPTED`] answers.
///
/// An offer that is malformed is passed over like one of an unknown extension: the client goes on uncompressed.
pub fn offers_deflate<'a>(mut values: impl Iterator<Item = &'a str>) -> bool {
    values.any(|value| split(value, ',').any(is_acceptable))
}

fn is_acceptable(offer: &str) -> bool {
    let mut parts = split(offer, ';').map(str::trim_ascii);
    let mut seen = Vec::new();
    parts.next() == Some("permessage-deflate")
        && parts.all(|parameter| {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim_ascii_end(), Some(unquoted(value.trim_ascii_start()))),
                None => (parameter, None),
            };
            let is_first = !seen.contains(&name);
            seen.push(name);
            is_first && is_acceptable_parameter(name, value)
        })
}

fn is_acceptable_parameter(name: &str, value: Option<&str>) -> bool {
    match (name, value) {
        ("server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits", None) => true,
        // Ours to read with the largest window, whatever the client's is.
        ("client_max_window_bits", Some(bits)) => matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15"),
        // server_max_window_bits too: what is compressed once for all sockets cannot keep to one socket's window.
        _ => false,
    }
}

/// The parts between the separators that do not stand in quotes.
fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |c| {
        let is_separator = c == separator && !is_quoted;
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && is_quoted && !is_escaped;
        is_separator
    })
}

/// A value without its quotes. Escapes stay, since nothing that is accepted needs one.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}
