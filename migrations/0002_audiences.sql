CREATE TABLE `audiences` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`rule` text NOT NULL,
	`uses` text NOT NULL,
	`refresh` text NOT NULL,
	`refreshed` text,
	`created_on` integer NOT NULL,
	`created_by` text NOT NULL,
	`last_modified_on` integer NOT NULL,
	`last_modified_by` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `audiences_by_id` ON `audiences` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `audiences_by_refresh` ON `audiences` (`refreshed`) WHERE refresh <> 'on_demand';--> statement-breakpoint
CREATE TABLE `sync_rules` (
	`job_key` integer PRIMARY KEY NOT NULL,
	`rule` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `experience_groups` ADD `audience_id` text;--> statement-breakpoint
CREATE UNIQUE INDEX `experience_groups_by_audience` ON `experience_groups` (`workspace_id`,`audience_id`) WHERE audience_id IS NOT NULL AND deleted_at IS NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `audience_id` text;--> statement-breakpoint
CREATE INDEX `jobs_by_audience` ON `jobs` (`workspace_id`,`audience_id`) WHERE audience_id IS NOT NULL AND ended_at IS NULL;--> statement-breakpoint
CREATE VIEW `own_values` AS
SELECT workspace_id, user_id, name, lower(v) AS t, iif(CAST(v AS NUMERIC) = v AND abs(CAST(v AS REAL)) < 9e999, CAST(v AS REAL), NULL) AS n
FROM (SELECT a.workspace_id, a.user_id, a.name, iif(a.type = 'list', e.value, a.value) AS v
	FROM user_attributes AS a LEFT JOIN json_each(iif(a.type = 'list', a.value, NULL)) AS e WHERE a.value IS NOT NULL);
--> statement-breakpoint
CREATE VIEW `shared_values` AS
SELECT definition_key, user_id, name, function, lower(iif(typeof(v) = 'real', format('%.15g', v), v)) AS t,
	iif(CAST(v AS NUMERIC) = v AND abs(CAST(v AS REAL)) < 9e999, CAST(v AS REAL), NULL) AS n
FROM (SELECT s.definition_key, s.user_id, a.name, a.function, iif(a.type = 'list', e.value, a.result) AS v
	FROM identity_members AS s CROSS JOIN group_attributes AS a ON a.definition_key = s.definition_key AND a.value = s.value
	LEFT JOIN json_each(iif(a.type = 'list', a.result, NULL)) AS e WHERE a.result IS NOT NULL);
--> statement-breakpoint
CREATE VIEW `live_members` AS
SELECT m.workspace_id, m.participant_id, g.id AS group_id
FROM experience_groups AS g CROSS JOIN members AS m ON m.group_key = g.key AND m.workspace_id = g.workspace_id
WHERE g.deleted_at IS NULL AND m.added_rev <= g.revision AND (m.removed_rev IS NULL OR m.removed_rev > g.revision);
--> statement-breakpoint
CREATE VIEW `group_peers` AS
SELECT s.definition_key, s.user_id, m.user_id AS member_id
FROM identity_members AS s CROSS JOIN identity_members AS m ON m.definition_key = s.definition_key AND m.value = s.value;
