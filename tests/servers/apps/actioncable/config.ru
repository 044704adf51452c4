# A Rails application of one file: accounts by form with an authenticity token, a signed cookie, a
# chat over Action Cable. Accounts live in memory; the cost of a password hash is not what is tested.

require "action_controller/railtie"
require "action_cable/engine"
require "securerandom"

PASSWORDS = Concurrent::Map.new

class Chat < Rails::Application
  config.root = __dir__
  config.eager_load = false
  config.secret_key_base = SecureRandom.hex(32)
  config.session_store :cookie_store, key: "_chat_session"
  config.hosts.clear
  config.consider_all_requests_local = false
  config.logger = Logger.new(File::NULL)
  config.action_controller.allow_forgery_protection = true
  config.action_cable.mount_path = "/cable"
  # As in production: only pages of the server's own origin may connect.
  config.action_cable.allow_same_origin_as_host = true

  routes.append do
    get "/signup" => "accounts#sign_up_form"
    post "/users" => "accounts#sign_up"
    get "/login" => "accounts#log_in_form"
    post "/login" => "accounts#log_in"
  end
end

class AccountsController < ActionController::Base
  protect_from_forgery with: :exception

  def sign_up_form
    form("/users")
  end

  def log_in_form
    form("/login")
  end

  def sign_up
    taken = PASSWORDS.put_if_absent(params[:name], params[:password])
    return render plain: "Name has already been taken", status: :unprocessable_entity if taken

    redirect_to "/login"
  end

  def log_in
    return render plain: "wrong", status: :unprocessable_entity unless PASSWORDS[params[:name]] == params[:password]

    cookies.encrypted[:user] = params[:name]
    redirect_to "/login"
  end

  private

  def form(action)
    token = %(<input type="hidden" name="authenticity_token" value="#{form_authenticity_token}">)
    render html: %(<form method="post" action="#{action}">#{token}<input name="name"></form>).html_safe
  end
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user

    def connect
      self.user = cookies.encrypted[:user] || reject_unauthorized_connection
    end
  end
end

class ChatChannel < ActionCable::Channel::Base
  def subscribed
    return reject if params[:room] == "closed"

    stream_from "chat_#{params[:room]}"
  end

  def speak(data)
    ActionCable.server.broadcast("chat_#{params[:room]}", { user: user, body: data["body"] })
  end
end

ActionCable.server.config.cable = { "adapter" => "async" }
ActionCable.server.config.connection_class = -> { ApplicationCable::Connection }
Chat.initialize!
run Chat
