use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json;
use super::*;
use crate::events::tests::seeded;

fn array(type_oid: u32, text: &str) -> Value {
    let mut out = String::new();
    json::try_write(&mut out, type_oid, text).unwrap_or_else(|_| panic!("{text:?} was refused"));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{out} is not JSON: {error}"))
}

const BOOL: u32 = 1000;
const INT4: u32 = 1007;
const TEXTS: u32 = 1009;
const BOX: u32 = 1020;
const FLOAT8: u32 = 1022;
const JSONB: u32 = 3807;

#[test]
fn elements_have_the_form_of_their_type() {
    assert_eq!(array(INT4, "{1,NULL,3}"), json!([1, null, 3]));
    assert_eq!(array(BOOL, "{t,f,NULL}"), json!([true, false, null]));
    assert_eq!(array(FLOAT8, "{1.5,NaN,-Infinity}"), json!([1.5, "NaN", "-Infinity"]));
    assert_eq!(array(TEXTS, "{}"), json!([]));
}

#[test]
fn a_quoted_null_is_a_text() {
    assert_eq!(array(TEXTS, r#"{NULL,"NULL",null}"#), json!([null, "NULL", "null"]));
}

#[test]
fn quotes_braces_commas_and_backslashes_are_read_in_quotes() {
    assert_eq!(array(TEXTS, r#"{"a\"b","c\\d","","x y","{},"}"#), json!(["a\"b", "c\\d", "", "x y", "{},"]));
    assert_eq!(array(JSONB, r#"{"{\"a\": [1, \"}\"]}",null}"#), json!([{"a": [1, "}"]}, null]));
}

#[test]
fn more_dimensions_nest() {
    assert_eq!(array(INT4, "{{1,NULL},{3,4}}"), json!([[1, null], [3, 4]]));
    assert_eq!(array(INT4, "{{{{{{1}}}}}}"), json!([[[[[[1]]]]]]));
}

#[test]
fn bounds_are_left_out() {
    assert_eq!(array(INT4, "[2:3]={7,8}"), json!([7, 8]));
    assert_eq!(array(INT4, "[-1:0][+2:2]={{7},{8}}"), json!([[7], [8]]));
}

#[test]
fn boxes_are_parted_by_semicolons() {
    assert_eq!(array(BOX, "{(1,1),(0,0);(2,2),(0,0)}"), json!(["(1,1),(0,0)", "(2,2),(0,0)"]));
}

#[test]
fn the_array_types_are_in_the_order_that_the_search_needs() {
    assert!(OF_STRINGS.is_sorted_by(|one, next| one < next));
    for (array, of) in [(2951, "uuid"), (1182, "date"), (1185, "timestamptz"), (143, "xml"), (6157, "int8multirange")] {
        assert_eq!(element(array), Some(Element { type_oid: TEXT, delimiter: ',' }), "{of}[]");
    }
}

#[test]
fn what_is_no_array_is_refused() {
    for text in [
        "",
        "{",
        "}",
        "1",
        "{1",
        "{1,",
        "{1,}",
        "{,1}",
        "{1}x",
        "{1}{2}",
        "{\"",
        "{\"a",
        "{\"a\\",
        "{\"a\"b}",
        "{a\"b\"}",
        "[1:2]",
        "[1:2]{1,2}",
        "[x]={1}",
        "{{{{{{{1}}}}}}}",
        "{{}1}",
        r"{a\}",
    ] {
        assert_eq!(json::check(TEXTS, text), Err(Corrupt), "{text:?} was taken");
    }
}

#[test]
fn a_text_of_braces_costs_no_stack() {
    assert_eq!(json::check(TEXTS, &"{".repeat(1_000_000)), Err(Corrupt));
}

proptest! {
    #![proptest_config(seeded(256))]

    #[test]
    fn any_elements_survive(elements in prop::collection::vec(prop::option::of(any::<String>()), 0..6)) {
        let quote = |text: &String| format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""));
        let text = elements.iter().map(|e| e.as_ref().map_or("NULL".into(), quote)).collect::<Vec<_>>().join(",");
        prop_assert_eq!(array(TEXTS, &format!("{{{text}}}")), json!(elements));
    }
}
