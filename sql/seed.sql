-- What `walcast dev` puts into an empty components table.
INSERT INTO public.components (id, entity_type, entity_id, type, name, data, rows, created_by, updated_by)
SELECT * FROM (VALUES
    ('00000000-0000-4000-8000-000000000001'::uuid, 'page', '1', 'hero', 'Welcome',
     '{"title": "Hello", "subtitle": "Edit me with SQL"}'::jsonb,
     '[{"id": "row-1", "components": [{"id": "text-1", "type": "text", "text": "The first"},
                                      {"id": "image-1", "type": "image", "src": "/cat.jpg"}]},
       {"id": "row-2", "components": []}]'::jsonb, 'dev', 'dev'),
    ('00000000-0000-4000-8000-000000000002'::uuid, 'page', '1', 'list', 'Things to do',
     '{"ordered": false}'::jsonb,
     '[{"id": "row-1", "components": [{"id": "todo-1", "text": "Subscribe", "done": true},
                                      {"id": "todo-2", "text": "Write to Postgres", "done": false}]}]'::jsonb, 'dev', 'dev'),
    ('00000000-0000-4000-8000-000000000003'::uuid, 'page', '2', 'hero', 'Another page', '{}'::jsonb, '[]'::jsonb, 'dev', 'dev')
) AS seed
WHERE NOT EXISTS (SELECT FROM public.components);
