"""Everything the panel stores. Classic ``db.Column`` declarations, so SQLAlchemy 1.4 works too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()

if TYPE_CHECKING:  # db.Model is made at run time, where a type checker cannot see a class
    from flask_sqlalchemy.model import Model
else:
    Model = db.Model


class SiteAsset(Model):
    """An uploaded file the site shows: a logo, a banner, a favicon."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(120), nullable=False, unique=True)
    path = db.Column(db.String(255), nullable=False)
    mime_type = db.Column(db.String(80))
    uploaded_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class SiteSetting(Model):
    """One setting of the site, by name."""

    key = db.Column(db.String(80), primary_key=True)
    value = db.Column(db.Text)


role_permission = db.Table(
    "role_permission",
    db.Column("role_id", db.ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
    db.Column(
        "permission_id", db.ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True
    ),
)

user_role = db.Table(
    "user_role",
    db.Column("user_id", db.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    db.Column("role_id", db.ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
)


class User(Model):
    """Somebody who can log in, with a password or through an OAuth provider."""

    __table_args__ = (
        db.UniqueConstraint("oauth_provider", "oauth_subject", name="uq_user_oauth_identity"),
        db.Index("idx_user_active_created", "is_active", "created_at"),
        db.Index("idx_user_last_login_at", "last_login_at"),
    )

    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(80), nullable=False, unique=True, index=True)
    email = db.Column(db.String(120), nullable=False, unique=True, index=True)
    password_hash = db.Column(db.String(255))
    is_active = db.Column(db.Boolean, nullable=False, server_default=db.true())
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())

    failed_logins = db.Column(db.Integer, nullable=False, server_default="0")
    locked_until = db.Column(db.DateTime)
    last_login_at = db.Column(db.DateTime)
    last_login_ip = db.Column(db.String(45))
    totp_secret = db.Column(db.String(64))
    totp_enabled = db.Column(db.Boolean, nullable=False, server_default=db.false())

    oauth_provider = db.Column(db.String(32))
    oauth_subject = db.Column(db.String(128))
    avatar_url = db.Column(db.String(255))

    roles = db.relationship("Role", secondary=user_role)


class Role(Model):
    """A named set of permissions."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(64), nullable=False, unique=True)
    description = db.Column(db.String(255))
    is_system = db.Column(db.Boolean, nullable=False, server_default=db.false())

    permissions = db.relationship("Permission", secondary=role_permission)


class Permission(Model):
    """One thing a role may allow, such as ``server.restart``."""

    id = db.Column(db.Integer, primary_key=True)
    code = db.Column(db.String(80), nullable=False, unique=True)
    description = db.Column(db.String(255))


class AuditLog(Model):
    """Who did what, and when."""

    __table_args__ = (
        db.Index("idx_audit_log_created_at", "created_at"),
        db.Index("idx_audit_log_action_created", "action", "created_at"),
    )

    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.ForeignKey("user.id", ondelete="SET NULL"))
    action = db.Column(db.String(80), nullable=False)
    detail = db.Column(db.Text)
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class PushSubscription(Model):
    """A browser that wants push notifications for its user."""

    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.ForeignKey("user.id", ondelete="CASCADE"), nullable=False)
    endpoint = db.Column(db.Text, nullable=False)
    p256dh_key = db.Column(db.String(128), nullable=False)
    auth_key = db.Column(db.String(64), nullable=False)
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class Server(Model):
    """A game server, and how to reach its console."""

    __table_args__ = (
        db.Index("idx_server_status", "status"),
        db.Index("idx_server_game_status", "game", "status"),
    )

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(120), nullable=False)
    game = db.Column(db.String(64), nullable=False)
    status = db.Column(db.String(20), nullable=False, server_default="offline")
    owner_id = db.Column(db.ForeignKey("user.id"), nullable=False)
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())

    host = db.Column(db.String(255))
    port = db.Column(db.Integer)
    rcon_password = db.Column(db.String(255))


class ServerUser(Model):
    """A user whom the owner let in on a server."""

    __table_args__ = (db.UniqueConstraint("server_id", "user_id", name="uq_server_user"),)

    id = db.Column(db.Integer, primary_key=True)
    server_id = db.Column(db.ForeignKey("server.id", ondelete="CASCADE"), nullable=False)
    user_id = db.Column(db.ForeignKey("user.id", ondelete="CASCADE"), nullable=False)
    can_console = db.Column(db.Boolean, nullable=False, server_default=db.false())


class PteroEgg(Model):
    """An egg (the recipe of a game) imported from a Pterodactyl panel."""

    id = db.Column(db.Integer, primary_key=True)
    uuid = db.Column(db.String(36), nullable=False, unique=True)
    name = db.Column(db.String(120), nullable=False)
    author = db.Column(db.String(120))
    docker_image = db.Column(db.String(255))
    startup = db.Column(db.Text)
    imported_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class PteroEggInstall(Model):
    """Which egg, in which version, a server was installed from."""

    id = db.Column(db.Integer, primary_key=True)
    egg_id = db.Column(db.ForeignKey("ptero_egg.id"), nullable=False)
    server_id = db.Column(db.ForeignKey("server.id", ondelete="CASCADE"), nullable=False)
    egg_version = db.Column(db.String(32))
    installed_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class CmsPage(Model):
    """A page of the site, in Markdown."""

    id = db.Column(db.Integer, primary_key=True)
    slug = db.Column(db.String(120), nullable=False, unique=True, index=True)
    title = db.Column(db.String(200), nullable=False)
    body = db.Column(db.Text)
    published = db.Column(db.Boolean, nullable=False, server_default=db.false())
    author_id = db.Column(db.ForeignKey("user.id", ondelete="SET NULL"))
    updated_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class ForumThread(Model):
    """A subject people talk about."""

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(200), nullable=False)
    author_id = db.Column(db.ForeignKey("user.id", ondelete="SET NULL"))
    pinned = db.Column(db.Boolean, nullable=False, server_default=db.false())
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())


class ForumPost(Model):
    """One message in a thread."""

    id = db.Column(db.Integer, primary_key=True)
    thread_id = db.Column(db.ForeignKey("forum_thread.id", ondelete="CASCADE"), nullable=False)
    author_id = db.Column(db.ForeignKey("user.id", ondelete="SET NULL"))
    body = db.Column(db.Text, nullable=False)
    created_at = db.Column(db.DateTime, nullable=False, server_default=db.func.now())
