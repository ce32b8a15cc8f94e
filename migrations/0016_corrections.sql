CREATE TABLE `group_corrections` (
	`definition_key` integer NOT NULL,
	`user_id` text NOT NULL,
	`kind` text NOT NULL,
	`other_user_id` text,
	`text` text,
	`folded` text,
	`value` text,
	`reason` text,
	`actor` text NOT NULL,
	`created_on` integer NOT NULL,
	PRIMARY KEY(`definition_key`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `group_corrections_by_value` ON `group_corrections` (`definition_key`,`value`,`user_id`);--> statement-breakpoint
CREATE INDEX `group_corrections_by_other` ON `group_corrections` (`definition_key`,`other_user_id`) WHERE other_user_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `group_marks` (
	`definition_key` integer NOT NULL,
	`value` text NOT NULL,
	`left_value` text,
	`marked_at` integer NOT NULL,
	PRIMARY KEY(`definition_key`, `value`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `group_definitions` ADD `refresh` text;--> statement-breakpoint
ALTER TABLE `group_definitions` ADD `refreshed_since` integer;--> statement-breakpoint
CREATE INDEX `group_definitions_continuous` ON `group_definitions` (`workspace_id`) WHERE refresh = 'continuous' AND deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `group_definitions_refreshed` ON `group_definitions` (`refreshed_since`) WHERE refreshed_since IS NOT NULL;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `corrected` integer DEFAULT 0 NOT NULL;