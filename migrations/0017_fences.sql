CREATE TABLE `fences` (
	`workspace_id` integer PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`until` integer NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`place` text
);
--> statement-breakpoint
ALTER TABLE `moves` ADD `key_range` integer;--> statement-breakpoint
CREATE VIEW `fenced` AS
SELECT workspace_id FROM fences WHERE until > CAST(1000 * unixepoch('subsec') AS INTEGER);
