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