CREATE TABLE `clients` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` integer NOT NULL,
	`name` text NOT NULL,
	`scopes` text NOT NULL,
	`secret_hash` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `clients_by_workspace` ON `clients` (`workspace_id`,`id`);--> statement-breakpoint
CREATE TABLE `experience_groups` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`type` text NOT NULL,
	`platform` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`revision` integer DEFAULT 0 NOT NULL,
	`participant_count` integer DEFAULT 0 NOT NULL,
	`removed_since_prune` integer DEFAULT 0 NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `experience_groups_by_id` ON `experience_groups` (`workspace_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `experience_groups_by_name` ON `experience_groups` (`workspace_id`,`name`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `experience_groups_deleted` ON `experience_groups` (`deleted_at`) WHERE deleted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `job_problems` (
	`job_key` integer NOT NULL,
	`line` integer NOT NULL,
	`problem` text NOT NULL,
	PRIMARY KEY(`job_key`, `line`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `jobs` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`group_key` integer NOT NULL,
	`revision` integer NOT NULL,
	`type` text NOT NULL,
	`state` text NOT NULL,
	`failure` text,
	`file_name` text NOT NULL,
	`file_key` text NOT NULL,
	`file_size` integer NOT NULL,
	`slice_bytes` integer NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`ended_at` integer,
	`step` integer DEFAULT 0 NOT NULL,
	`offset` integer DEFAULT 0 NOT NULL,
	`line` integer DEFAULT 0 NOT NULL,
	`place` text DEFAULT 'start' NOT NULL,
	`applied` integer DEFAULT 0 NOT NULL,
	`batch_ids` integer DEFAULT 10000 NOT NULL,
	`reached` integer DEFAULT 0 NOT NULL,
	`cursor` text DEFAULT '',
	`rows` integer DEFAULT 0 NOT NULL,
	`bad_rows` integer DEFAULT 0 NOT NULL,
	`touched` integer DEFAULT 0 NOT NULL,
	`added` integer DEFAULT 0 NOT NULL,
	`removed` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_by_id` ON `jobs` (`workspace_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_by_group` ON `jobs` (`group_key`,`revision`);--> statement-breakpoint
CREATE INDEX `jobs_by_time` ON `jobs` (`workspace_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `jobs_unended` ON `jobs` (`updated_at`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `members` (
	`workspace_id` integer NOT NULL,
	`participant_id` text NOT NULL,
	`group_key` integer NOT NULL,
	`added_rev` integer NOT NULL,
	`removed_rev` integer,
	`seen_rev` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `participant_id`, `group_key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `members_by_group` ON `members` (`group_key`,`participant_id`);