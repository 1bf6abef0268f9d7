use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::events::tests::seeded;

fn json(type_oid: u32, text: &str) -> String {
    let mut out = String::new();
    try_write(&mut out, type_oid, text).unwrap_or_else(|_| panic!("{text:?} of type {type_oid} was refused"));
    serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{out} is not JSON: {error}"));
    out
}

#[test]
fn numbers_keep_every_digit() {
    for (oid, text) in [
        (20, "9223372036854775807"),
        (21, "-32768"),
        (23, "0"),
        (26, "4294967295"),
        (700, "1e+20"),
        (701, "-0"),
        (701, "1e-05"),
        (701, "0.1234567890123456"),
        (1700, "12.50"),
        (1700, "123456789012345678901234567890.000000000000000000000000000001"),
    ] {
        assert_eq!(json(oid, text), text);
    }
}

#[test]
fn what_json_has_no_number_for_is_a_string() {
    for oid in [700, 701, 1700] {
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(json(oid, text), format!("\"{text}\""));
        }
    }
}

#[test]
fn booleans_are_booleans() {
    assert_eq!((json(16, "t"), json(16, "f")), ("true".into(), "false".into()));
}

#[test]
fn documents_are_embedded_as_they_are() {
    for oid in [114, 3802] {
        assert_eq!(json(oid, r#"{"a": [1.50, null]}"#), r#"{"a": [1.50, null]}"#);
        assert_eq!(json(oid, " null\n"), "null");
    }
    // Taken by Postgres's json, and by every browser; U+2028 may stand in JSON as it is.
    assert_eq!(raw(r#""\ud800""#).map(RawValue::get), Ok(r#""\ud800""#));
    assert_eq!(json(114, "\"\u{2028}\""), "\"\u{2028}\"");
}

#[test]
fn a_deep_document_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(check(3802, &deep), Ok(()));
}

#[test]
fn bytea_time_and_types_unknown_are_strings() {
    assert_eq!(json(17, r"\x00ff"), r#""\\x00ff""#);
    assert_eq!(json(1184, "2026-11-23 02:28:00+00"), r#""2026-11-23 02:28:00+00""#);
    assert_eq!(json(790, "$1.00"), r#""$1.00""#);
    assert_eq!(json(77_777, "12"), r#""12""#);
}

#[test]
fn strings_are_escaped() {
    assert_eq!(json(25, "a\"b\\c\n\r\t\u{1}é\u{2028}😀"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001é\u{2028}😀\"");
}

#[test]
fn a_text_that_is_not_of_its_type_is_refused_and_still_makes_json() {
    for (oid, text) in [
        (23, ""),
        (23, "-"),
        (23, "01"),
        (23, "1 "),
        (1700, "1."),
        (1700, ".5"),
        (701, "1e"),
        (701, "nan"),
        (16, "true"),
        (114, "{"),
        (3802, "{} {}"),
        (3802, ""),
        (3802, "\"\n\""),
        (1007, "{1,x}"),
        (3807, "{\"{\"}"),
    ] {
        assert_eq!(check(oid, text), Err(Corrupt), "{text:?} of type {oid} was taken");
        let mut out = String::new();
        write_value(&mut out, oid, text);
        assert_eq!(serde_json::from_str::<Value>(&out).ok(), Some(Value::String(text.into())));
    }
}

#[test]
fn every_number_of_json_is_taken_and_nothing_else() {
    let alphabet = ["0", "1", "9", "-", "+", ".", "e", "E", "x"];
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        texts = texts.iter().flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}"))).collect();
        for text in &texts {
            assert_eq!(is_number(text), raw(text).is_ok(), "{text:?}");
        }
    }
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn a_string_reads_back_as_it_was(text in any::<String>()) {
        let mut out = String::new();
        write_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_str::<String>(&out).ok(), Some(text));
    }

    #[test]
    fn any_text_of_any_type_makes_json(
        text in prop_oneof![any::<String>(), "[-+0-9.eE{}\\[\\]\",:tfnul\\\\ N=]{0,24}"],
        oid in prop::sample::select(vec![16_u32, 20, 25, 114, 700, 1000, 1007, 1009, 1020, 1231, 1700, 3802, 3807, 99_999]),
    ) {
        let mut out = String::new();
        write_value(&mut out, oid, &text);
        prop_assert!(serde_json::from_str::<&RawValue>(&out).is_ok(), "{}", out);
        if check(oid, &text).is_err() {
            prop_assert_eq!(serde_json::from_str::<String>(&out).ok(), Some(text));
        }
    }
}
