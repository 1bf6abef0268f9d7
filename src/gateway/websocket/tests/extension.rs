use super::websocket::{ACCEPTED, offers_deflate};

fn takes(value: &str) -> bool {
    offers_deflate([value].into_iter())
}

#[test]
fn what_browsers_and_node_offer_is_taken() {
    for offer in [
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate;client_max_window_bits=8",
        "permessage-deflate ; client_max_window_bits = 15 ; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=\"10\"",
        ACCEPTED,
    ] {
        assert!(takes(offer), "{offer} is declined");
    }
}

#[test]
fn a_window_that_we_would_have_to_keep_to_is_declined() {
    for offer in ["permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=\"10\""]
    {
        assert!(!takes(offer), "{offer} is taken");
    }
}

#[test]
fn one_offer_among_others_is_enough() {
    for offers in [
        "permessage-deflate; server_max_window_bits=10, permessage-deflate; client_max_window_bits",
        "x-webkit-deflate-frame, permessage-deflate",
        "x-other; text=\"a, b; \\\" c\", permessage-deflate",
        ", ,permessage-deflate,",
        "permessage-deflate; =, permessage-deflate",
    ] {
        assert!(takes(offers), "{offers} is declined");
    }
    assert!(offers_deflate(["x-other", "permessage-deflate"].into_iter()));
}

#[test]
fn what_only_looks_like_an_offer_is_declined() {
    for offer in [
        "",
        "permessage-deflat",
        "permessage-deflates",
        "Permessage-Deflate",
        "permessage-deflate=1",
        "\"permessage-deflate\"",
        "x-other; text=\"a, permessage-deflate, b\"",
        "x-other; text=\"\\\", permessage-deflate, b\"",
        "x-other; permessage-deflate",
        "x-other permessage-deflate",
    ] {
        assert!(!takes(offer), "{offer} is taken");
    }
    assert!(!offers_deflate([].into_iter()));
}

#[test]
fn a_malformed_offer_is_declined() {
    for parameters in [
        "",
        " ",
        "=",
        "unknown",
        "client_max_window_bits=",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=+9",
        "client_max_window_bits=9=9",
        "client_max_window_bits=\"9",
        "client_max_window_bits=9\"",
        "client_max_window_bits=\"9\\\"",
        "client_max_window_bits=\" 9\"",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits=10",
        "client_no_context_takeover=1",
        "server_no_context_takeover=\"\"",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover server_no_context_takeover",
    ] {
        assert!(!takes(&format!("permessage-deflate; {parameters}")), "{parameters:?} is taken");
    }
}
