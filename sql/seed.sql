-- What `walcast dev` puts into an empty components table: the page of the demo, and another one.
INSERT INTO public.components (id, entity_type, entity_id, type, name, data, rows, created_by, updated_by)
SELECT * FROM (VALUES
    ('00000000-0000-4000-8000-000000000001'::uuid, 'page', '1', 'text', 'Saturday in the park',
     '{"tone": "teal", "text": "Everybody brings something. Change anything here: whoever has this page open sees it at once."}'::jsonb,
     '[{"id": "facts", "title": "Good to know", "components": [
            {"id": "fact-1", "text": "We meet at noon by the old oak"},
            {"id": "fact-2", "text": "If it rains we move to the boathouse"}]}]'::jsonb, 'dev', 'dev'),
    ('00000000-0000-4000-8000-000000000002'::uuid, 'page', '1', 'list', 'Things to do',
     '{"tone": "blue"}'::jsonb,
     '[{"id": "before", "title": "Before", "components": [
            {"id": "todo-1", "text": "Ask who is coming", "done": true},
            {"id": "todo-2", "text": "Borrow the big blankets", "done": false}]},
       {"id": "on-the-day", "title": "On the day", "components": [
            {"id": "todo-3", "text": "Fetch ice", "done": false},
            {"id": "todo-4", "text": "Hang up the lanterns", "done": false}]}]'::jsonb, 'dev', 'dev'),
    ('00000000-0000-4000-8000-000000000003'::uuid, 'page', '1', 'list', 'Who brings what',
     '{"tone": "amber"}'::jsonb,
     '[{"id": "food", "title": "Food", "components": [
            {"id": "food-1", "text": "Bread and olives", "done": true},
            {"id": "food-2", "text": "Something sweet", "done": false}]},
       {"id": "drinks", "title": "Drinks", "components": [
            {"id": "drink-1", "text": "Lemonade", "done": false}]}]'::jsonb, 'dev', 'dev'),
    ('00000000-0000-4000-8000-000000000004'::uuid, 'page', '2', 'text', 'Another page', '{}'::jsonb, '[]'::jsonb, 'dev', 'dev')
) AS seed
WHERE NOT EXISTS (SELECT FROM public.components);
