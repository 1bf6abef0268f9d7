-- A document [{"id": row, children: [{"id": nested, …}]}] with one of its nested components created, updated or deleted.
-- By itself a function of its arguments: an UPDATE that waited for another applies it to what that one left.
CREATE OR REPLACE FUNCTION walcast.nested_document(
    document  jsonb,
    children  text,
    verb      text,
    row_id    text,
    nested_id text,
    content   jsonb
) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    row_at integer;
    list   jsonb;
    at     integer;
    nested jsonb;
BEGIN
    SELECT r.number - 1 INTO row_at
      FROM jsonb_array_elements(CASE jsonb_typeof(document) WHEN 'array' THEN document ELSE '[]' END)
           WITH ORDINALITY AS r (value, number)
     WHERE r.value ->> 'id' = row_id
     LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no row "%"', row_id USING ERRCODE = 'no_data_found';
    END IF;

    list := coalesce(nullif(document -> row_at -> children, 'null'), '[]');
    IF jsonb_typeof(list) <> 'array' THEN
        RAISE EXCEPTION 'row "%" holds no array of nested components in "%"', row_id, children
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT c.number - 1, c.value INTO at, nested
      FROM jsonb_array_elements(list) WITH ORDINALITY AS c (value, number)
     WHERE c.value ->> 'id' = nested_id
     LIMIT 1;

    IF verb = 'create' THEN
        IF FOUND THEN
            RAISE EXCEPTION 'row "%" has a nested component "%" already', row_id, nested_id
                USING ERRCODE = 'unique_violation';
        END IF;
        RETURN jsonb_set(document, ARRAY[row_at::text, children], list || jsonb_build_array(content));
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no nested component "%" in row "%"', nested_id, row_id USING ERRCODE = 'no_data_found';
    END IF;
    IF verb = 'delete' THEN
        RETURN document #- ARRAY[row_at::text, children, at::text];
    END IF;
    SELECT (nested || content) - coalesce(array_agg(member.key), '{}') INTO nested
      FROM jsonb_each(content) AS member
     WHERE member.value = 'null';
    RETURN jsonb_set(document, ARRAY[row_at::text, children, at::text], nested);
END
$$;

REVOKE ALL ON FUNCTION walcast.nested_document(jsonb, text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION walcast.nested_document(jsonb, text, text, text, text, jsonb) IS
    'The part of walcast.nested_create(), nested_update() and nested_delete() that edits a document.';
