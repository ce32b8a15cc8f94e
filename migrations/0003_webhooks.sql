CREATE TABLE `deliveries` (
	`webhook_key` integer NOT NULL,
	`event_key` integer NOT NULL,
	`workspace_id` integer NOT NULL,
	`state` text NOT NULL,
	`attempts` integer NOT NULL,
	`tries` integer NOT NULL,
	`next_attempt_at` integer,
	PRIMARY KEY(`webhook_key`, `event_key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `deliveries_by_event` ON `deliveries` (`event_key`);--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`webhook_key`,`next_attempt_at`) WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX `deliveries_failed` ON `deliveries` (`webhook_key`,`event_key`) WHERE state = 'failed';--> statement-breakpoint
CREATE TABLE `delivery_attempts` (
	`webhook_key` integer NOT NULL,
	`event_key` integer NOT NULL,
	`attempt` integer NOT NULL,
	`at` integer NOT NULL,
	`status` integer,
	`duration` integer NOT NULL,
	`answer` text NOT NULL,
	PRIMARY KEY(`webhook_key`, `event_key`, `attempt`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `events` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`at` integer NOT NULL,
	`data` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_id` ON `events` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `events_by_workspace` ON `events` (`workspace_id`,`key`);--> statement-breakpoint
CREATE TABLE `webhooks` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`id` text NOT NULL,
	`url` text NOT NULL,
	`description` text NOT NULL,
	`event_types` text,
	`secret` text NOT NULL,
	`former_secret` text,
	`former_until` integer,
	`disabled` text,
	`failing_since` integer,
	`busy_until` integer,
	`created_on` integer NOT NULL,
	`created_by` text NOT NULL,
	`last_modified_on` integer NOT NULL,
	`last_modified_by` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `webhooks_by_id` ON `webhooks` (`workspace_id`,`id`);