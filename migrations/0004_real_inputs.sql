CREATE TABLE `deleted_users` (
	`workspace_id` integer NOT NULL,
	`user_id` text NOT NULL,
	`deleted_at` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `normalized_values` (
	`definition_key` integer NOT NULL,
	`normalized` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`definition_key`, `normalized`, `value`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `normalized_values_by_value` ON `normalized_values` (`definition_key`,`value`);--> statement-breakpoint
ALTER TABLE `group_attributes` ADD `folded` text;--> statement-breakpoint
ALTER TABLE `group_definitions` ADD `matching` text;--> statement-breakpoint
ALTER TABLE `group_definitions` ADD `ignore_values` text;--> statement-breakpoint
ALTER TABLE `job_problems` ADD `value` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `format` text;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `without_value` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `largest` text;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `matching` text;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `ignore_values` text;--> statement-breakpoint
ALTER TABLE `user_attributes` ADD `sent` text;--> statement-breakpoint
ALTER TABLE `user_attributes` ADD `folded` text;
--> statement-breakpoint
-- Each value as it reads: its text (t) in one case, trimmed (b), the number (n) and the digits (d) of a whole one, the moment (m).
CREATE VIEW `own_readings` AS
SELECT workspace_id, user_id, name, t, b, n, d, CAST(round(1000 * unixepoch(z, 'subsec')) AS INTEGER) AS m
FROM (SELECT workspace_id, user_id, name, t, lower(x) AS b, n, iif(n IS NULL OR ltrim(x, '+-') GLOB '*[^0-9]*', NULL, iif(n < 0, '-', '') || ltrim(x, '+-0')) AS d,
		CASE WHEN NOT x GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' OR date(substr(x, 1, 10), '+0 days') IS NOT substr(x, 1, 10) THEN NULL
			WHEN length(x) = 10 THEN x
			WHEN x GLOB '??????????[Tt ][0-9][0-9]:[0-9][0-9]*' AND substr(x, 12, 2) < '24' AND NOT substr(x, 12) GLOB '*[^0-9:.,Zz+-]*'
			THEN replace(replace(y, 't', 'T'), ',', '.') END AS z
	FROM (SELECT workspace_id, user_id, name, t, x, n, CASE WHEN substr(x, 12) GLOB '*[+-][0-9][0-9]' THEN x || ':00'
				WHEN x GLOB '*[+-][0-9][0-9][0-9][0-9]' THEN format('%.*s:%s', length(x) - 2, x, substr(x, -2)) ELSE x END AS y
		FROM (SELECT workspace_id, user_id, name, t, trim(s, '" \t\n\u000b\f\r"' ->> '$') AS x,
				iif(CAST(s AS NUMERIC) = s AND abs(CAST(s AS REAL)) < 9e999, CAST(s AS NUMERIC), NULL) AS n
			FROM (SELECT workspace_id, user_id, name, t, iif(f IS NULL, v, trim(v, '"\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u00ad\u0600\u0601\u0602\u0603\u0604\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\u3000\ufeff\ufff9\ufffa\ufffb\ud804\udcbd\ud804\udccd\ud80d\udc30\ud80d\udc31\ud80d\udc32\ud80d\udc33\ud80d\udc34\ud80d\udc35\ud80d\udc36\ud80d\udc37\ud80d\udc38\ud80d\udc39\ud80d\udc3a\ud80d\udc3b\ud80d\udc3c\ud80d\udc3d\ud80d\udc3e\ud80d\udc3f\ud82f\udca0\ud82f\udca1\ud82f\udca2\ud82f\udca3\ud834\udd73\ud834\udd74\ud834\udd75\ud834\udd76\ud834\udd77\ud834\udd78\ud834\udd79\ud834\udd7a\udb40\udc01\udb40\udc20\udb40\udc21\udb40\udc22\udb40\udc23\udb40\udc24\udb40\udc25\udb40\udc26\udb40\udc27\udb40\udc28\udb40\udc29\udb40\udc2a\udb40\udc2b\udb40\udc2c\udb40\udc2d\udb40\udc2e\udb40\udc2f\udb40\udc30\udb40\udc31\udb40\udc32\udb40\udc33\udb40\udc34\udb40\udc35\udb40\udc36\udb40\udc37\udb40\udc38\udb40\udc39\udb40\udc3a\udb40\udc3b\udb40\udc3c\udb40\udc3d\udb40\udc3e\udb40\udc3f\udb40\udc40\udb40\udc41\udb40\udc42\udb40\udc43\udb40\udc44\udb40\udc45\udb40\udc46\udb40\udc47\udb40\udc48\udb40\udc49\udb40\udc4a\udb40\udc4b\udb40\udc4c\udb40\udc4d\udb40\udc4e\udb40\udc4f\udb40\udc50\udb40\udc51\udb40\udc52\udb40\udc53\udb40\udc54\udb40\udc55\udb40\udc56\udb40\udc57\udb40\udc58\udb40\udc59\udb40\udc5a\udb40\udc5b\udb40\udc5c\udb40\udc5d\udb40\udc5e\udb40\udc5f\udb40\udc60\udb40\udc61\udb40\udc62\udb40\udc63\udb40\udc64\udb40\udc65\udb40\udc66\udb40\udc67\udb40\udc68\udb40\udc69\udb40\udc6a\udb40\udc6b\udb40\udc6c\udb40\udc6d\udb40\udc6e\udb40\udc6f\udb40\udc70\udb40\udc71\udb40\udc72\udb40\udc73\udb40\udc74\udb40\udc75\udb40\udc76\udb40\udc77\udb40\udc78\udb40\udc79\udb40\udc7a\udb40\udc7b\udb40\udc7c\udb40\udc7d\udb40\udc7e\udb40\udc7f"' ->> '$')) AS s
				FROM (SELECT a.workspace_id, a.user_id, a.name, a.folded AS f, iif(a.type = 'list', e.value, a.value) AS v,
						lower(iif(a.type = 'list', e.value, coalesce(a.folded, a.sent, a.value))) AS t
					FROM user_attributes AS a LEFT JOIN json_each(iif(a.type = 'list', coalesce(a.folded, a.value), NULL)) AS e
					WHERE a.value IS NOT NULL)))));
--> statement-breakpoint
CREATE VIEW `shared_readings` AS
SELECT definition_key, user_id, name, function, t, b, n, d, CAST(round(1000 * unixepoch(z, 'subsec')) AS INTEGER) AS m
FROM (SELECT definition_key, user_id, name, function, t, lower(x) AS b, n, iif(n IS NULL OR ltrim(x, '+-') GLOB '*[^0-9]*', NULL, iif(n < 0, '-', '') || ltrim(x, '+-0')) AS d,
		CASE WHEN NOT x GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' OR date(substr(x, 1, 10), '+0 days') IS NOT substr(x, 1, 10) THEN NULL
			WHEN length(x) = 10 THEN x
			WHEN x GLOB '??????????[Tt ][0-9][0-9]:[0-9][0-9]*' AND substr(x, 12, 2) < '24' AND NOT substr(x, 12) GLOB '*[^0-9:.,Zz+-]*'
			THEN replace(replace(y, 't', 'T'), ',', '.') END AS z
	FROM (SELECT definition_key, user_id, name, function, t, x, n, CASE WHEN substr(x, 12) GLOB '*[+-][0-9][0-9]' THEN x || ':00'
				WHEN x GLOB '*[+-][0-9][0-9][0-9][0-9]' THEN format('%.*s:%s', length(x) - 2, x, substr(x, -2)) ELSE x END AS y
		FROM (SELECT definition_key, user_id, name, function, t, trim(s, '" \t\n\u000b\f\r"' ->> '$') AS x,
				iif(CAST(s AS NUMERIC) = s AND abs(CAST(s AS REAL)) < 9e999, CAST(s AS NUMERIC), NULL) AS n
			FROM (SELECT definition_key, user_id, name, function, t, iif(f IS NULL, v, trim(v, '"\u0009\u000a\u000b\u000c\u000d\u0020\u00a0\u00ad\u0600\u0601\u0602\u0603\u0604\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\u3000\ufeff\ufff9\ufffa\ufffb\ud804\udcbd\ud804\udccd\ud80d\udc30\ud80d\udc31\ud80d\udc32\ud80d\udc33\ud80d\udc34\ud80d\udc35\ud80d\udc36\ud80d\udc37\ud80d\udc38\ud80d\udc39\ud80d\udc3a\ud80d\udc3b\ud80d\udc3c\ud80d\udc3d\ud80d\udc3e\ud80d\udc3f\ud82f\udca0\ud82f\udca1\ud82f\udca2\ud82f\udca3\ud834\udd73\ud834\udd74\ud834\udd75\ud834\udd76\ud834\udd77\ud834\udd78\ud834\udd79\ud834\udd7a\udb40\udc01\udb40\udc20\udb40\udc21\udb40\udc22\udb40\udc23\udb40\udc24\udb40\udc25\udb40\udc26\udb40\udc27\udb40\udc28\udb40\udc29\udb40\udc2a\udb40\udc2b\udb40\udc2c\udb40\udc2d\udb40\udc2e\udb40\udc2f\udb40\udc30\udb40\udc31\udb40\udc32\udb40\udc33\udb40\udc34\udb40\udc35\udb40\udc36\udb40\udc37\udb40\udc38\udb40\udc39\udb40\udc3a\udb40\udc3b\udb40\udc3c\udb40\udc3d\udb40\udc3e\udb40\udc3f\udb40\udc40\udb40\udc41\udb40\udc42\udb40\udc43\udb40\udc44\udb40\udc45\udb40\udc46\udb40\udc47\udb40\udc48\udb40\udc49\udb40\udc4a\udb40\udc4b\udb40\udc4c\udb40\udc4d\udb40\udc4e\udb40\udc4f\udb40\udc50\udb40\udc51\udb40\udc52\udb40\udc53\udb40\udc54\udb40\udc55\udb40\udc56\udb40\udc57\udb40\udc58\udb40\udc59\udb40\udc5a\udb40\udc5b\udb40\udc5c\udb40\udc5d\udb40\udc5e\udb40\udc5f\udb40\udc60\udb40\udc61\udb40\udc62\udb40\udc63\udb40\udc64\udb40\udc65\udb40\udc66\udb40\udc67\udb40\udc68\udb40\udc69\udb40\udc6a\udb40\udc6b\udb40\udc6c\udb40\udc6d\udb40\udc6e\udb40\udc6f\udb40\udc70\udb40\udc71\udb40\udc72\udb40\udc73\udb40\udc74\udb40\udc75\udb40\udc76\udb40\udc77\udb40\udc78\udb40\udc79\udb40\udc7a\udb40\udc7b\udb40\udc7c\udb40\udc7d\udb40\udc7e\udb40\udc7f"' ->> '$')) AS s
				FROM (SELECT s.definition_key, s.user_id, a.name, a.function, a.folded AS f, iif(a.type = 'list', e.value, a.result) AS v,
						lower(iif(a.type = 'list', e.value, coalesce(a.folded, iif(typeof(a.result) = 'real', format('%.15g', a.result), a.result)))) AS t
					FROM identity_members AS s CROSS JOIN group_attributes AS a ON a.definition_key = s.definition_key AND a.value = s.value
					LEFT JOIN json_each(iif(a.type = 'list', coalesce(a.folded, a.result), NULL)) AS e WHERE a.result IS NOT NULL)))));
--> statement-breakpoint
CREATE VIEW `rule_names` AS
SELECT a.workspace_id, a.id AS audience_id, t.key AS kind, t.atom AS name
FROM audiences AS a CROSS JOIN json_tree(a.rule) AS t
WHERE t.type = 'text' AND t.key IN ('attribute', 'group', 'audience');
