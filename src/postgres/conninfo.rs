use std::collections::BTreeMap;

/// Splits a connection string, in either of libpq's two forms, into its parameters. The last of several wins.
///
/// `tokio_postgres` parses both forms itself, but refuses parameters it does not know, such as `sslrootcert`, so
/// the string must be taken apart before. Errors never quote the string: it holds a password.
/// Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>.
pub(super) fn parameters(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => from_url(rest),
        None if text.contains("://") => Err("its scheme is not postgres:// or postgresql://"),
        None if !text.is_empty() && !text.contains('=') => Err("it is neither a URL nor key=value pairs"),
        None => from_pairs(text),
    }
}

fn from_url(rest: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut parameters = BTreeMap::new();
    let mut set = |key: &str, value: String| parameters.insert(key.to_owned(), value);

    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    // The last `@`: an unescaped one in a password is a common slip, and a host never holds one.
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));

    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if !user.is_empty() {
        set("user", decode(user)?);
    }
    if let Some(password) = password {
        set("password", decode(password)?);
    }
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = host_and_port(host)?;
            names.push(decode(name)?);
            ports.push(decode(port)?);
        }
        set("host", names.join(","));
        set("port", ports.join(","));
    }
    if !database.is_empty() {
        set("dbname", decode(database)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a parameter after `?` has no `=`")?;
        set(&decode(key)?, decode(value)?);
    }
    Ok(parameters)
}

fn host_and_port(host: &str) -> Result<(&str, &str), &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("an IPv6 address lacks its `]`")?,
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    match port.strip_prefix(':') {
        Some(port) => Ok((name, port)),
        None if port.is_empty() => Ok((name, "")),
        None => Err("after the `]` of an IPv6 address stands something else than `:port`"),
    }
}

fn decode(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "a `%` is not followed by two hexadecimal digits (a literal % is written %25)";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit().ok_or(BROKEN)?, digit().ok_or(BROKEN)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| BROKEN)?);
    }
    if bytes.contains(&0) {
        return Err("it holds a zero byte");
    }
    String::from_utf8(bytes).map_err(|_| "its percent escapes are not UTF-8")
}

/// `key = value` pairs between white space; a value may stand in single quotes, and `\` escapes one character.
fn from_pairs(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut parameters = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("a parameter has no `=` (quote a value that holds spaces)")?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err("a parameter has no `=` (quote a value that holds spaces)");
        }
        let (value, after) = value(after.trim_start())?;
        parameters.insert(key.to_owned(), value);
        rest = after.trim_start();
    }
    Ok(parameters)
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if quoted => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            space if !quoted && space.is_whitespace() => return Ok((value, text.get(at..).unwrap_or_default())),
            other => value.push(other),
        }
    }
    if quoted { Err("a quoted value lacks its closing quote") } else { Ok((value, "")) }
}
