CREATE TABLE `definition_previews` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`source_user_attribute` text NOT NULL,
	`matching` text,
	`ignore_values` text,
	`state` text NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`cursor` text DEFAULT '' NOT NULL,
	`expected` integer NOT NULL,
	`scanned` integer DEFAULT 0 NOT NULL,
	`forecast` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `definition_previews_by_id` ON `definition_previews` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `definition_previews_by_age` ON `definition_previews` (`created_at`);