CREATE TABLE `group_attributes` (
	`definition_key` integer NOT NULL,
	`value` text NOT NULL,
	`name` text NOT NULL,
	`function` text NOT NULL,
	`result` blob,
	`type` text,
	PRIMARY KEY(`definition_key`, `value`, `name`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `group_definitions` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`id` text NOT NULL,
	`description` text NOT NULL,
	`source_user_attribute` text NOT NULL,
	`attributes` text NOT NULL,
	`created_on` integer NOT NULL,
	`created_by` text NOT NULL,
	`last_modified_on` integer NOT NULL,
	`last_modified_by` text NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `group_definitions_by_id` ON `group_definitions` (`workspace_id`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `group_definitions_deleted` ON `group_definitions` (`deleted_at`) WHERE deleted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `identity_members` (
	`definition_key` integer NOT NULL,
	`user_id` text NOT NULL,
	`value` text NOT NULL,
	`joined_at` integer NOT NULL,
	PRIMARY KEY(`definition_key`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `identity_members_by_value` ON `identity_members` (`definition_key`,`value`,`user_id`);--> statement-breakpoint
CREATE TABLE `identity_movers` (
	`definition_key` integer NOT NULL,
	`user_id` text NOT NULL,
	PRIMARY KEY(`definition_key`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `recompute_runs` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`definition_key` integer NOT NULL,
	`week` text,
	`state` text NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`source_user_attribute` text,
	`attributes` text,
	`cursor` text DEFAULT '' NOT NULL,
	`expected` integer DEFAULT 0 NOT NULL,
	`looked` integer DEFAULT 0 NOT NULL,
	`seated` integer DEFAULT 0 NOT NULL,
	`over_limit` integer DEFAULT 0 NOT NULL,
	`groups` integer DEFAULT 0 NOT NULL,
	`changed` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`updated_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `recompute_runs_by_id` ON `recompute_runs` (`workspace_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `recompute_runs_by_week` ON `recompute_runs` (`definition_key`,`week`);--> statement-breakpoint
CREATE INDEX `recompute_runs_by_definition` ON `recompute_runs` (`definition_key`,`key`);--> statement-breakpoint
CREATE INDEX `recompute_runs_unended` ON `recompute_runs` (`updated_at`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `user_attributes` (
	`workspace_id` integer NOT NULL,
	`user_id` text NOT NULL,
	`name` text NOT NULL,
	`value` text,
	`type` text NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `user_id`, `name`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `user_attributes_by_value` ON `user_attributes` (`workspace_id`,`name`,`value`,`user_id`,`type`);--> statement-breakpoint
CREATE TABLE `users` (
	`workspace_id` integer NOT NULL,
	`user_id` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `jobs` ADD `header` text;