CREATE TABLE `experiment_balances` (
	`experiment_key` integer PRIMARY KEY NOT NULL,
	`workspace_id` integer NOT NULL,
	`state` text NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`progress` text,
	`result` text,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `experiment_balances_unended` ON `experiment_balances` (`updated_at`) WHERE state <> 'complete';--> statement-breakpoint
CREATE TABLE `experiment_forced` (
	`experiment_key` integer NOT NULL,
	`participant_id` text NOT NULL,
	`variant` text NOT NULL,
	PRIMARY KEY(`experiment_key`, `participant_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `experiments` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`id` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`group_id` text,
	`unit_definition` text,
	`variants` text NOT NULL,
	`control` text NOT NULL,
	`traffic` integer NOT NULL,
	`layer_id` text,
	`layer_from` integer,
	`layer_to` integer,
	`holdout_id` text,
	`holdout_share` integer,
	`status` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	`created_on` integer NOT NULL,
	`created_by` text NOT NULL,
	`last_modified_on` integer NOT NULL,
	`last_modified_by` text NOT NULL,
	`imbalanced_version` integer,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `experiments_by_id` ON `experiments` (`workspace_id`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `experiments_running` ON `experiments` (`key`) WHERE status = 'running' AND deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `experiments_deleted` ON `experiments` (`deleted_at`) WHERE deleted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `exposure_counts` (
	`experiment_key` integer NOT NULL,
	`version` integer NOT NULL,
	`day` text NOT NULL,
	`variant` text NOT NULL,
	`participants` integer NOT NULL,
	PRIMARY KEY(`experiment_key`, `version`, `day`, `variant`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `exposures` (
	`experiment_key` integer NOT NULL,
	`participant_id` text NOT NULL,
	`version` integer NOT NULL,
	`variant` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`experiment_key`, `participant_id`, `version`)
) WITHOUT ROWID;
