use super::*;
use crate::change::Column;

fn parse(text: &str) -> Filter {
    Filter::parse([text]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn table(type_oid: u32) -> Table {
    let columns = vec![Column { name: "c".into(), type_oid }];
    Table { schema: "public".into(), name: "t".into(), oid: None, columns, key: None }
}

/// Whether a value of a type is let through; `None` is NULL.
fn judge(type_oid: u32, filter: &str, value: Option<&str>) -> Verdict {
    let filter = parse(filter);
    filter.check(&table(type_oid)).unwrap_or_else(|error| panic!("{error}"));
    let cell = value.map_or(Cell::Null, Cell::from);
    filter.bind(&table(type_oid)).judge(|_| cell)
}

const TEXT: u32 = 25;
const INT4: u32 = 23;
const NUMERIC: u32 = 1700;
const BOOL: u32 = 16;
const JSONB: u32 = 3802;
const ENUM: u32 = 99_999;

#[test]
fn filters_that_say_the_same_are_the_same() {
    for (one, other) in [
        ("a=eq.1,b=gt.2", "b=gt.2,a=eq.1"),
        ("a=eq.1,b=gt.2", "a=eq.1&b=gt.2"),
        ("a=eq.1", "a=in.(1)"),
        ("a=in.(1,2)", "a=in.(2,1,2)"),
        ("a=neq.1", "a=not.eq.1"),
        ("a=eq.1", " a = eq. \"1\" ".replace("= ", "=").as_str()),
        ("a=is.not.null", "a=not.is.null"),
        ("a=is.not_null", "a=not.is.NULL"),
        ("a=eq.1,a=eq.1", "\"a\"=eq.1"),
    ] {
        assert_eq!(parse(one), parse(other), "{one} {other}");
    }
    assert_eq!(Filter::parse(["a=eq.1", "b=eq.2"]), Ok(parse("a=eq.1,b=eq.2")));
    assert!(Filter::parse([]).is_ok_and(|filter| filter.is_empty()));
}

#[test]
fn what_it_writes_it_reads() {
    for text in [
        "a=eq.1",
        "a=neq.",
        r#"a=eq."x, \"y\" \\ & (z)""#,
        r#""a column=,"=not.in.("a,b",c," ","")"#,
        "a=not.like.%x_,b=ilike.A*,c=lte.-1.5e3,d=not.is.true,e=gte.2026-11-23T02:28:00Z",
        "a=eq.R&D,b=is.unknown",
    ] {
        let filter = parse(text);
        assert_eq!(parse(&filter.to_string()), filter, "{text} became {filter}");
    }
    assert_eq!(parse("b=eq.x y,a=in.(2,1)").to_string(), r#"a=in.(1,2),b=eq."x y""#);
}

#[test]
fn an_ampersand_separates_where_a_condition_follows() {
    assert_eq!(parse("a=eq.R&D"), parse(r#"a=eq."R&D""#));
    assert_eq!(parse("a=eq.x&b=1"), parse(r#"a=eq."x&b=1""#));
    assert_eq!(parse("a=eq.x&b=not.in.(1)"), parse("a=eq.x,b=not.in.(1)"));
}

#[test]
fn what_is_no_filter_is_refused_with_what_would_be() {
    for (text, told) in [
        ("", "column=operator.value"),
        ("a", "column=operator.value"),
        ("=eq.1", "column=operator.value"),
        ("a=1", "is no operator"),
        ("a=equals.1", "is no operator"),
        ("a=or.(b.eq.1)", "is no operator"),
        ("a=in.1", "in.(value,value)"),
        ("a=in.()", "a value between the parentheses"),
        ("a=in.(1", "a closing parenthesis"),
        ("a=is.1", "is takes null"),
        ("a=eq.1,", "column=operator.value"),
        ("a=eq.Hello, world", "column=operator.value"),
        ("a=eq.\"1", "a closing quote"),
        ("a=eq.\"1\"2", "a comma"),
    ] {
        let error = Filter::parse([text]).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    let long = format!("a=eq.{}", "x".repeat(5000));
    assert!(Filter::parse([long.as_str()]).is_err());
}

#[test]
fn what_does_not_fit_the_column_is_refused() {
    for (type_oid, filter, told) in [
        (TEXT, "d=eq.1", "`d` is no published column of public.t"),
        (INT4, "c=eq.one", "`c` is an integer, and `one` is none"),
        (INT4, "c=eq.1.5", "is an integer"),
        (INT4, "c=in.(1,3000000000)", "is an integer"),
        (INT4, "c=like.1%", "like is for texts"),
        (INT4, "c=is.true", "only is.null"),
        (BOOL, "c=eq.maybe", "is a boolean"),
        (JSONB, "c=eq.{}", "is a document"),
        (ENUM, "c=gt.a", "eq, neq and in"),
        (ENUM, "c=like.a", "like is for texts"),
        (TEXT, "c=like.a\\", "ends with a backslash"),
        (1184, "c=gt.yesterday", "is a timestamp"),
    ] {
        let filter = parse(filter);
        let error = filter.check(&table(type_oid)).expect_err("refused").to_string();
        assert!(error.contains(told), "{filter}: {error}");
        assert_eq!(filter.bind(&table(type_oid)).judge(|_| Cell::Null), Verdict::Unknown, "{filter}");
    }
}

#[test]
fn values_are_compared_by_their_types() {
    for (type_oid, filter, value, holds) in [
        (INT4, "c=eq.042", "42", true),
        (INT4, "c=gt.9", "10", true),
        (TEXT, "c=gt.9", "10", false),
        (NUMERIC, "c=eq.1.5", "1.50", true),
        (NUMERIC, "c=gt.0.1000000000000000000000000001", "0.1000000000000000000000000002", true),
        (NUMERIC, "c=lt.-1e2", "-100.5", true),
        (NUMERIC, "c=eq.0", "-0.00", true),
        (NUMERIC, "c=gt.infinity", "NaN", true),
        (701, "c=gt.1e300", "Infinity", true),
        (701, "c=eq.0", "-0", true),
        (701, "c=lt.-2", "-10", true),
        (700, "c=eq.0.1", "0.1", true),
        (BOOL, "c=eq.true", "t", true),
        (BOOL, "c=lt.true", "f", true),
        (BOOL, "c=is.false", "f", true),
        (2950, "c=eq.{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", true),
        (2950, "c=gt.7fffffff-9c0b-4ef8-bb6d-6bb9bd380a11", "80000000-9c0b-4ef8-bb6d-6bb9bd380a11", true),
        (1042, "c=eq.ab", "ab   ", true),
        (1082, "c=lt.0001-01-01", "0044-03-15 BC", true),
        (1082, "c=gt.9999-12-31", "10000-01-01", true),
        (1083, "c=lt.10:00", "09:59:59.999999", true),
        (1114, "c=eq.2026-11-23T02:28:00", "2026-11-23 02:28:00", true),
        (1184, "c=eq.2026-11-23T04:28:00.133+02:00", "2026-11-23 02:28:00.133+00", true),
        (1184, "c=lt.infinity", "294276-12-31 23:59:59.999999+00", true),
        (ENUM, "c=in.(a,b)", "b", true),
        (JSONB, "c=not.is.null", "{}", true),
    ] {
        let expected = if holds { Verdict::Yes } else { Verdict::No };
        assert_eq!(judge(type_oid, filter, Some(value)), expected, "{filter} of {value}");
    }
}

#[test]
fn a_comparison_with_null_is_not_true_and_neither_is_its_opposite() {
    for (filter, expected) in [
        ("c=eq.x", Verdict::No),
        ("c=neq.x", Verdict::No),
        ("c=not.in.(x)", Verdict::No),
        ("c=not.like.x", Verdict::No),
        ("c=is.null", Verdict::Yes),
        ("c=not.is.null", Verdict::No),
    ] {
        assert_eq!(judge(TEXT, filter, None), expected, "{filter}");
    }
    for (filter, expected) in
        [("c=is.true", Verdict::No), ("c=not.is.true", Verdict::Yes), ("c=is.unknown", Verdict::Yes)]
    {
        assert_eq!(judge(BOOL, filter, None), expected, "{filter}");
    }
}

#[test]
fn patterns_are_those_of_like() {
    for (pattern, text, holds) in [
        ("", "", true),
        ("", "a", false),
        ("%", "", true),
        ("a%", "abc", true),
        ("%c", "abc", true),
        ("%b%", "abc", true),
        ("a_c", "abc", true),
        ("a_c", "ac", false),
        ("_", "é", true),
        ("%ab%ab", "abab", true),
        ("%ab%ab", "ab", false),
        ("a\\%", "a%", true),
        ("a\\%", "ab", false),
        ("%%_", "a", true),
        ("%_b", "ab", true),
        ("a*", "ab", false),
    ] {
        let pattern_matches = |folds| Pattern::new(pattern, folds).expect("a pattern").matches(text);
        assert_eq!(pattern_matches(false), holds, "{pattern} of {text}");
        assert_eq!(pattern_matches(true), holds, "{pattern} of {text}");
    }
    assert_eq!(judge(TEXT, "c=ilike.%ÉCOLE%", Some("l'école")), Verdict::Yes);
    assert_eq!(judge(TEXT, "c=like.%ÉCOLE%", Some("l'école")), Verdict::No);
}

#[test]
fn what_the_log_does_not_say_is_unknown_unless_something_else_decides() {
    let columns = ["a", "b"].map(|name| Column { name: name.into(), type_oid: TEXT });
    let table = Table { columns: columns.to_vec(), ..table(TEXT) };
    let filter = parse("a=eq.x,b=eq.y").bind(&table);
    for (a, b, expected) in [
        (Cell::from("x"), Cell::Absent, Verdict::Unknown),
        (Cell::Absent, Cell::from("y"), Verdict::Unknown),
        (Cell::Unchanged, Cell::from("n"), Verdict::No),
        (Cell::from("n"), Cell::Absent, Verdict::No),
        (Cell::from("x"), Cell::from("y"), Verdict::Yes),
    ] {
        assert_eq!(filter.judge(|column| if column == 0 { a } else { b }), expected, "{a:?} {b:?}");
    }
    let is_null = parse("a=not.is.null").bind(&table);
    assert_eq!(is_null.judge(|_| Cell::Unchanged), Verdict::Yes, "it has a value, whichever");
    assert_eq!(is_null.judge(|_| Cell::Absent), Verdict::Unknown);
}

#[test]
fn it_says_by_which_values_it_can_be_found() {
    let wanted = |filter: &str| parse(filter).bind(&table(INT4)).wanted().map(|(_, values)| values.len());
    assert_eq!(wanted("c=eq.1"), Some(1));
    assert_eq!(wanted("c=in.(1,2,3),c=gt.0"), Some(3));
    assert_eq!(wanted("c=in.(1,2,3),c=eq.2"), Some(1));
    assert_eq!(wanted("c=neq.1"), None);
    assert_eq!(wanted("c=gt.1"), None);
    assert_eq!(wanted("d=eq.1"), None, "there is no such column");
}
